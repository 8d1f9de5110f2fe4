from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem.image.state import ImageToActivate
from hes.dlms.cosem.image.transfer import ImageTransfer
from hes.dlms.cosem.tests.object_bench import ObjectBench

IMAGE = "0.0.44.0.0.255"
BODY = bytes(range(200))


def verifier(meter, transfer):
    held = bytes(meter.image.body)
    return (ImageToActivate(transfer.size, transfer.identification, held[-2:]),) if held == BODY else ()


def activator(meter, transfer):
    meter.done.append(transfer.identification)
    return True


def bench(**changes):
    return ObjectBench(
        ImageTransfer(
            block_octets=64, store=lambda meter: meter.image, verifier=verifier, activator=activator, **changes
        )
    )


def transferred(bench, body=BODY):
    assert bench.act(IMAGE, 1, data.structure(data.octets(b"fw"), data.u32(len(body)))) is ActionResult.SUCCESS
    for number in (3, 0, 2, 1):
        block = data.structure(data.u32(number), data.octets(body[64 * number : 64 * number + 64]))
        assert bench.act(IMAGE, 2, block) is ActionResult.SUCCESS
    return bench


def test_before_a_transfer_there_are_no_blocks_and_nothing_to_activate():
    assert [bench().get(IMAGE, attribute) for attribute in range(2, 8)] == [64, "", 0, True, 0, []]


def test_the_attributes_follow_the_transfer():
    meter = bench()
    meter.act(IMAGE, 1, data.structure(data.octets(b"fw"), data.u32(200)))
    meter.act(IMAGE, 2, data.structure(data.u32(0), data.octets(BODY[:64])))
    meter.act(IMAGE, 2, data.structure(data.u32(3), data.octets(BODY[192:])))
    assert [meter.get(IMAGE, attribute) for attribute in (3, 4, 6)] == ["1001", 1, 1]
    transferred(meter)
    assert [meter.get(IMAGE, attribute) for attribute in (3, 4, 6)] == ["1111", 4, 1]
    assert meter.act(IMAGE, 3) is ActionResult.SUCCESS
    assert [meter.get(IMAGE, attribute) for attribute in (6, 7)] == [3, [(200, b"fw", b"\xc6\xc7")]]
    assert meter.act(IMAGE, 4) is ActionResult.SUCCESS
    assert meter.get(IMAGE, 6) == 6
    assert meter.meter.done == [b"fw"]


def test_verification_and_activation_end_by_the_timer():
    meter = transferred(bench(verification_s=30, activation_s=lambda _meter, transfer: transfer.size / 10))
    assert meter.deadline() is None
    assert meter.act(IMAGE, 3) is ActionResult.TEMPORARY_FAILURE
    assert meter.deadline() == 30
    assert meter.wait(29) == 1
    assert (meter.get(IMAGE, 6), meter.act(IMAGE, 3)) == (2, ActionResult.TEMPORARY_FAILURE)
    assert meter.wait(1) is None
    assert meter.get(IMAGE, 6) == 3
    assert meter.act(IMAGE, 4) is ActionResult.TEMPORARY_FAILURE
    assert meter.wait(20) is None
    assert (meter.get(IMAGE, 6), meter.meter.done) == (6, [b"fw"])


def test_a_request_that_comes_before_the_timer_finds_the_work_ended_too():
    meter = transferred(bench(verification_s=30))
    meter.act(IMAGE, 3)
    meter.now_s += 30
    assert meter.get(IMAGE, 6) == 3
    assert meter.deadline() is None


def test_disabling_stops_the_methods_and_enabling_goes_on():
    meter = transferred(bench())
    assert meter.set(IMAGE, 5, data.boolean(value=False)) is DataAccessResult.SUCCESS
    assert meter.act(IMAGE, 3) is ActionResult.READ_WRITE_DENIED
    assert meter.set(IMAGE, 5, data.u8(1)) is DataAccessResult.TYPE_UNMATCHED
    meter.set(IMAGE, 5, data.boolean(value=True))
    assert meter.act(IMAGE, 3) is ActionResult.SUCCESS


def test_parameters_of_another_shape_are_refused():
    meter = bench()
    for parameters in (None, data.u32(1), data.structure(data.octets(b"fw"), data.u16(200)), data.structure()):
        assert meter.act(IMAGE, 1, parameters) is ActionResult.TYPE_UNMATCHED
        assert meter.act(IMAGE, 2, parameters) is ActionResult.TYPE_UNMATCHED
    assert meter.act(IMAGE, 3, data.u8(0)) is ActionResult.TYPE_UNMATCHED
    assert len(meter.meter.states) == 0


def test_an_incomplete_image_is_not_verified_and_leaves_no_timer():
    meter = bench(verification_s=30)
    meter.act(IMAGE, 1, data.structure(data.octets(b"fw"), data.u32(200)))
    assert meter.act(IMAGE, 3) is ActionResult.OTHER_REASON
    assert (meter.get(IMAGE, 6), meter.deadline()) == (1, None)


def test_a_transfer_goes_on_in_another_process_from_what_was_kept():
    first = bench()
    first.act(IMAGE, 1, data.structure(data.octets(b"fw"), data.u32(200)))
    first.act(IMAGE, 2, data.structure(data.u32(0), data.octets(BODY[:64])))
    second = bench()
    for name, state in first.meter.states:
        second.meter.states.put(name, state)
    second.meter.image = first.meter.image
    assert second.get(IMAGE, 4) == 1
    for number in (1, 2, 3):
        second.act(IMAGE, 2, data.structure(data.u32(number), data.octets(BODY[64 * number : 64 * number + 64])))
    assert second.act(IMAGE, 3) is ActionResult.SUCCESS
