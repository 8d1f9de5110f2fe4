"""Account, credits, charges and a token gateway together, as a prepayment meter has them."""

from dataclasses import replace

import pytest
from gurux_dlms.objects import GXDLMSAccount, GXDLMSCharge, GXDLMSCredit, GXDLMSTokenGateway

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult, DataAccessResult
from hes.dlms.cosem import Clock
from hes.dlms.cosem.clock import NO_DATE_TIME
from hes.dlms.cosem.control.monitored_value import AttributeReference
from hes.dlms.cosem.local_time import UTC
from hes.dlms.cosem.payment.account import Account
from hes.dlms.cosem.payment.account_values import (
    AccountState,
    AccountStatus,
    CollectionRule,
    Currency,
    PaymentMode,
    TokenShare,
)
from hes.dlms.cosem.payment.charge import Charge, ChargeState, ChargeType, UnitCharge
from hes.dlms.cosem.payment.credit import Credit
from hes.dlms.cosem.payment.credit_rules import CreditState, CreditStatus, CreditType
from hes.dlms.cosem.payment.token_gateway import TokenDelivery, TokenGateway, TokenOutcome, TokenStatus
from hes.dlms.cosem.tests.gurux_octets import gurux_octets
from hes.dlms.cosem.tests.object_bench import NOW_S, ObjectBench
from hes.dlms.cosem.tests.test_limiter import RELAY, relay
from hes.dlms.cosem.tests.test_time_windows import pattern
from hes.dlms.obis import Obis

ACCOUNT, TOKEN, EMERGENCY = "0.0.19.0.0.255", "0.0.19.10.0.255", "0.0.19.10.1.255"
RENT, DEBT, GATEWAY = "0.0.19.20.0.255", "0.0.19.20.1.255", "0.0.19.40.0.255"
CREDITS = (Obis.parse(TOKEN), Obis.parse(EMERGENCY))
CHARGES = (Obis.parse(RENT), Obis.parse(DEBT))
START = AccountState(credits=CREDITS, charges=CHARGES, clearance_threshold=50)
DAY_S = 86_400
RENT_STATE = ChargeState(
    kind=ChargeType.TIME_BASED,
    active=UnitCharge(price_scale=-2, prices=((b"", 30),)),
    period_s=DAY_S,
    configuration="01",
)
DEBT_STATE = ChargeState(
    kind=ChargeType.PAYMENT_EVENT_BASED,
    priority=2,
    active=UnitCharge(price_scale=-2),
    configuration="10",
    proportion=2000,
    total_remaining=250,
)


def decoder(_meter, _now_s, token):
    if token == b"free":
        return TokenOutcome(status=TokenStatus.EXECUTION_OK)
    if not token.isdigit():
        return TokenOutcome(status=TokenStatus.FORMAT_FAILURE, detail="1")
    if len(token) > 6:
        return TokenOutcome(status=TokenStatus.AUTHENTICATION_FAILURE)
    return TokenOutcome(
        status=TokenStatus.EXECUTION_OK, amount=int(token), descriptions=(b"credit", token), detail="01"
    )


def bench(start=START, amount=1000, processing_s=0.0, rent=RENT_STATE, debt=DEBT_STATE, active=True):
    token = CreditState(amount=amount, warning_threshold=200, configuration="00011")
    emergency = CreditState(
        amount=500,
        preset_amount=500,
        kind=CreditType.EMERGENCY,
        priority=2,
        available_threshold=100,
        configuration="01100",
    )
    meter = ObjectBench(
        Clock(time=lambda _meter, now_s: now_s),
        relay(mode=6),
        Account(ACCOUNT, start, relay=Obis.parse(RELAY)),
        Credit(TOKEN, token),
        Credit(EMERGENCY, emergency),
        Charge(RENT, rent),
        Charge(DEBT, debt),
        TokenGateway(GATEWAY, decoder, processing_s=processing_s),
    )
    if active:
        assert meter.act(ACCOUNT, 1) is ActionResult.SUCCESS
    return meter


def amounts(meter):
    return meter.get(TOKEN, 2), meter.get(EMERGENCY, 2)


def statuses(meter):
    return CreditStatus(meter.get(TOKEN, 8)), CreditStatus(meter.get(EMERGENCY, 8))


def test_a_new_account_uses_no_credit_until_it_is_activated():
    meter = bench(active=False)
    assert meter.get(ACCOUNT, 2) == (PaymentMode.PREPAYMENT, AccountStatus.NEW)
    assert (meter.get(ACCOUNT, 3), meter.get(ACCOUNT, 5)) == (2, 0)
    assert meter.act(ACCOUNT, 1) is ActionResult.SUCCESS
    assert meter.get(ACCOUNT, 2) == (PaymentMode.PREPAYMENT, AccountStatus.ACTIVE)
    assert (meter.get(ACCOUNT, 3), meter.get(ACCOUNT, 5)) == (0, 1000)
    assert meter.get(ACCOUNT, 13) == UTC.octets(int(NOW_S))
    assert meter.act(ACCOUNT, 1) is ActionResult.OTHER_REASON


def test_the_dynamic_attributes_agree_with_credits_and_charges():
    meter = bench()
    assert [meter.get(ACCOUNT, attribute) for attribute in (4, 6, 8, 16, 17)] == ["10100000", 0, 250, 200, 100]
    assert meter.act(TOKEN, 1, data.i32(-901)) is ActionResult.SUCCESS
    assert [meter.get(ACCOUNT, attribute) for attribute in (4, 5)] == ["11010000", 99]


def test_out_of_credit_opens_the_relay_locally_and_a_token_closes_it():
    meter = bench()
    meter.act(TOKEN, 2, data.i32(0))
    assert statuses(meter) == (CreditStatus.EXHAUSTED, CreditStatus.SELECTABLE)
    assert meter.get(ACCOUNT, 4)[6] == "1"
    assert meter.get(RELAY, 3) == 2
    assert meter.act(GATEWAY, 1, data.octets(b"400")) is ActionResult.SUCCESS
    assert meter.get(RELAY, 3) == 1
    assert meter.get(ACCOUNT, 3) == 0


def test_emergency_credit_is_selected_by_invoking_it():
    meter = bench()
    assert meter.act(EMERGENCY, 3) is ActionResult.SUCCESS  # offered, and withdrawn at once: there is credit enough
    assert statuses(meter)[1] is CreditStatus.ENABLED
    meter.act(TOKEN, 2, data.i32(0))
    assert meter.act(EMERGENCY, 3) is ActionResult.SUCCESS
    assert statuses(meter) == (CreditStatus.EXHAUSTED, CreditStatus.IN_USE)
    assert (meter.get(ACCOUNT, 3), meter.get(ACCOUNT, 5), meter.get(RELAY, 3)) == (1, 500, 1)
    assert meter.act(EMERGENCY, 3) is ActionResult.OTHER_REASON
    assert meter.act(TOKEN, 3) is ActionResult.OTHER_REASON


def test_a_token_pays_emergency_credit_back_first():
    meter = bench(debt=replace(DEBT_STATE, total_remaining=0))
    meter.act(TOKEN, 2, data.i32(0))
    meter.act(EMERGENCY, 3)
    meter.act(EMERGENCY, 1, data.i32(-200))
    assert meter.get(ACCOUNT, 6) == 200 + 50
    meter.act(GATEWAY, 1, data.octets(b"700"))
    assert amounts(meter) == (500, 500)
    assert statuses(meter)[0] is CreditStatus.IN_USE


def test_setting_an_amount_gives_back_the_one_before():
    meter = bench()
    reply = meter.ask(TOKEN, 2, data.i32(70))
    assert (reply.result, axdr.decode_value(reply.data)[0]) == (ActionResult.SUCCESS, 1000)
    assert meter.act(TOKEN, 1, data.i32(0x7FFFFFFF)) is ActionResult.OTHER_REASON
    assert meter.get(TOKEN, 2) == 70
    assert meter.act(TOKEN, 1, data.u32(1)) is ActionResult.TYPE_UNMATCHED


def test_rent_is_collected_every_period_while_the_account_is_active():
    meter = bench()
    meter.wait(DAY_S * 3.5)
    assert amounts(meter)[0] == 1000 - 3 * 30
    assert [meter.get(RENT, attribute) for attribute in (2, 11)] == [90, 30]
    assert meter.get(RENT, 10) == UTC.octets(int(NOW_S) + 3 * DAY_S)
    meter.act(ACCOUNT, 2)
    meter.wait(DAY_S * 5)
    assert amounts(meter)[0] == 910


def test_a_charge_that_ends_collects_no_more_than_remains():
    meter = bench(rent=replace(RENT_STATE, configuration="00", total_remaining=70))
    meter.wait(DAY_S * 10)
    assert [meter.get(RENT, attribute) for attribute in (2, 11, 12)] == [70, 10, 0]
    assert meter.get(ACCOUNT, 8) == 250


def test_a_part_of_each_payment_goes_to_the_debt():
    meter = bench()
    meter.act(GATEWAY, 1, data.octets(b"1000"))
    assert (amounts(meter)[0], meter.get(DEBT, 12), meter.get(ACCOUNT, 8)) == (1800, 50, 50)
    meter.act(GATEWAY, 1, data.octets(b"1000"))
    assert (amounts(meter)[0], meter.get(DEBT, 12), meter.get(DEBT, 11)) == (2750, 0, 50)


def test_prices_of_another_scale_are_converted():
    rent = replace(RENT_STATE, active=UnitCharge(price_scale=-4, prices=((b"", 3000),)))
    meter = bench(rent=rent)
    assert meter.act(RENT, 3) is ActionResult.SUCCESS
    assert (amounts(meter)[0], meter.get(RENT, 2)) == (970, 3000)


def test_collecting_by_consumption_or_by_percentage_is_refused():
    meter = bench(rent=replace(RENT_STATE, kind=ChargeType.CONSUMPTION_BASED))
    assert meter.act(RENT, 3) is ActionResult.OTHER_REASON
    assert meter.act(DEBT, 3) is ActionResult.OTHER_REASON


def test_rules_say_which_charge_may_take_from_which_credit():
    rule = CollectionRule(CREDITS[0], CHARGES[1])
    meter = bench(replace(START, collection=(rule,)))
    assert meter.act(RENT, 3) is ActionResult.OTHER_REASON
    meter.set(ACCOUNT, 11, data.array([CollectionRule(CREDITS[0], CHARGES[0]).to_data()]))
    assert meter.act(RENT, 3) is ActionResult.SUCCESS


def test_while_disconnected_only_what_the_rule_allows_is_collected():
    meter = bench()
    meter.act(RELAY, 1)
    for when, result in (("000", ActionResult.OTHER_REASON), ("100", ActionResult.SUCCESS)):
        meter.set(ACCOUNT, 11, data.array([CollectionRule(CREDITS[0], CHARGES[0], when).to_data()]))
        assert meter.act(RENT, 3) is result


def test_the_remaining_amount_is_adjusted_and_never_negative():
    meter = bench()
    reply = meter.ask(DEBT, 4, data.i32(-300))
    assert axdr.decode_value(reply.data)[0] == 250
    assert meter.get(DEBT, 12) == 0
    assert meter.act(DEBT, 5, data.i32(80)) is ActionResult.SUCCESS
    assert meter.act(DEBT, 5, data.i32(-1)) is ActionResult.OTHER_REASON
    assert meter.get(DEBT, 12) == 80
    assert meter.act(RENT, 5, data.i32(80)) is ActionResult.SUCCESS
    assert meter.get(RENT, 12) == 0  # continuous


def test_new_prices_wait_in_the_passive_table_until_activated():
    meter = bench()
    table = data.array([data.structure(data.octets(b"\x01"), data.i16(45))])
    assert meter.act(RENT, 1, table) is ActionResult.SUCCESS
    assert meter.get(RENT, 6)[2] == [(b"\x01", 45)]
    assert meter.get(RENT, 5)[2] == [(b"", 30)]
    meter.act(RENT, 1, data.array([data.structure(data.octets(b"\x01"), data.i16(50))]))
    assert meter.act(RENT, 2) is ActionResult.SUCCESS
    assert meter.get(RENT, 5)[2] == [(b"\x01", 50)]


def test_passive_prices_become_active_at_their_time_also_when_rent_is_due():
    meter = bench()
    meter.act(RENT, 1, data.array([data.structure(data.octets(b"\x01"), data.i16(50))]))
    assert meter.set(RENT, 7, data.octets(UTC.octets(int(NOW_S) + DAY_S))) is DataAccessResult.SUCCESS
    meter.wait(DAY_S)
    assert (meter.get(RENT, 5)[2], meter.get(RENT, 2)) == ([(b"\x01", 50)], 30)
    assert meter.get(RENT, 7) == NO_DATE_TIME


def test_an_account_opens_and_closes_at_its_times():
    opens, closes = (UTC.octets(int(NOW_S) + seconds) for seconds in (100, 200))
    meter = bench(replace(START, activation_time=opens, closure_time=closes), active=False)
    assert meter.deadline() == 100
    meter.wait(100)
    assert meter.get(ACCOUNT, 2)[1] == AccountStatus.ACTIVE
    meter.wait(100)
    assert meter.get(ACCOUNT, 2)[1] == AccountStatus.CLOSED


def test_reset_makes_account_credits_and_charges_new():
    meter = bench()
    assert bench(active=False).act(ACCOUNT, 3) is ActionResult.OTHER_REASON
    meter.act(TOKEN, 1, data.i32(-500))
    meter.act(EMERGENCY, 1, data.i32(-100))
    meter.act(RENT, 3)
    assert meter.act(ACCOUNT, 3) is ActionResult.SUCCESS
    assert amounts(meter) == (1000, 400)  # emergency credit is not resettable
    assert [meter.get(RENT, attribute) for attribute in (2, 10, 11)] == [0, NO_DATE_TIME, 0]
    assert meter.get(ACCOUNT, 2)[1] == AccountStatus.NEW


def test_a_closed_account_takes_no_tokens():
    meter = bench()
    meter.act(ACCOUNT, 2)
    reply = meter.ask(GATEWAY, 1, data.octets(b"100"))
    assert reply.result is ActionResult.SUCCESS
    assert axdr.decode_value(reply.data)[0] == (TokenStatus.EXECUTION_FAILURE, "01")
    assert amounts(meter)[0] == 1000


def test_the_gateway_shows_the_last_token_and_what_became_of_it():
    meter = bench()
    assert [meter.get(GATEWAY, attribute) for attribute in (2, 3, 4)] == [b"", NO_DATE_TIME, []]
    meter.act(GATEWAY, 1, data.octets(b"100"))
    assert [meter.get(GATEWAY, attribute) for attribute in range(2, 7)] == [
        b"100",
        UTC.octets(int(NOW_S)),
        [b"credit", b"100"],
        TokenDelivery.REMOTE,
        (TokenStatus.EXECUTION_OK, "01"),
    ]
    for token, status in ((b"x", TokenStatus.FORMAT_FAILURE), (b"1234567", TokenStatus.AUTHENTICATION_FAILURE)):
        meter.act(GATEWAY, 1, data.octets(token))
        assert meter.get(GATEWAY, 6)[0] == status
    assert meter.act(GATEWAY, 1, data.octets(b"")) is ActionResult.OTHER_REASON
    assert meter.act(GATEWAY, 1, data.u32(1)) is ActionResult.TYPE_UNMATCHED
    assert meter.act(GATEWAY, 1, data.octets(b"free")) is ActionResult.SUCCESS


def test_a_token_that_takes_time_is_received_and_not_yet_processed():
    meter = bench(processing_s=5)
    reply = meter.ask(GATEWAY, 1, data.octets(b"100"))
    assert axdr.decode_value(reply.data)[0] == (TokenStatus.RECEIVED, "")
    assert meter.act(GATEWAY, 1, data.octets(b"200")) is ActionResult.TEMPORARY_FAILURE
    meter.wait(5)
    assert (meter.get(GATEWAY, 6)[0], amounts(meter)[0]) == (TokenStatus.EXECUTION_OK, 1080)


def test_a_token_typed_at_the_meter():
    meter = bench()
    gateway = meter.device.find(Obis.parse(GATEWAY))
    assert gateway.enter(meter.context, b"100", TokenDelivery.MANUAL) is ActionResult.SUCCESS
    assert meter.get(GATEWAY, 5) == TokenDelivery.MANUAL


def test_a_credit_of_a_period_starts_again_at_its_preset_amount():
    credit = CreditState(
        amount=1,
        kind=CreditType.TIME_BASED,
        preset_amount=300,
        period=pattern(hour=0, minute=0, second=0),
    )
    meter = ObjectBench(Credit(TOKEN, credit))
    assert meter.deadline() == 12 * 3600
    meter.wait(12 * 3600)
    assert meter.get(TOKEN, 2) == 300
    assert meter.deadline() == DAY_S


def test_amounts_of_an_absurd_scale_stay_within_what_can_be_said():
    meter = bench(debt=replace(DEBT_STATE, configuration="11"))
    for name in (RENT, DEBT):
        meter.set(name, 5, UnitCharge(0, -128, prices=((b"", 30_000),)).to_data())
    meter.act(DEBT, 5, data.i32(0x7FFFFFFF))
    for scale in (-128, 127):
        meter.set(ACCOUNT, 15, Currency("", scale, 2).to_data())
        meter.act(GATEWAY, 1, data.octets(b"999999"))
        meter.act(RENT, 3)
        for name, attributes in ((ACCOUNT, (5, 6, 8)), (DEBT, (2, 11, 12)), (RENT, (2, 11, 12))):
            for attribute in attributes:
                assert -(1 << 31) <= meter.get(name, attribute) < 1 << 31


def test_parameters_are_read_as_they_were_written():
    meter = bench()
    share = TokenShare(CREDITS[0], 40)
    for name, attribute, value in (
        (ACCOUNT, 2, data.structure(data.enum(1), data.enum(2))),
        (ACCOUNT, 7, data.i32(9)),
        (ACCOUNT, 9, data.array([data.octets(CREDITS[0])])),
        (ACCOUNT, 12, data.array([share.to_data()])),
        (ACCOUNT, 15, Currency("ZAR", -3, 2).to_data()),
        (ACCOUNT, 18, data.u16(3)),
        (ACCOUNT, 19, data.i32(30)),
        (TOKEN, 3, data.enum(4)),
        (TOKEN, 7, data.bits("11111")),
        (TOKEN, 11, data.octets(pattern(day=1))),
        (RENT, 5, UnitCharge(3, -2, AttributeReference(3, CREDITS[0], 2), ((b"1", -5),)).to_data()),
        (RENT, 9, data.bits("11")),
        (RENT, 13, data.u16(10_000)),
    ):
        assert meter.set(name, attribute, value) is DataAccessResult.SUCCESS, (name, attribute)
        assert meter.encoded(name, attribute) == axdr.encode(value)


@pytest.mark.parametrize(
    ("name", "attribute", "value", "result"),
    [
        (ACCOUNT, 2, data.structure(data.enum(1), data.enum(3)), DataAccessResult.READ_WRITE_DENIED),
        (ACCOUNT, 2, data.structure(data.enum(9), data.enum(2)), DataAccessResult.TYPE_UNMATCHED),
        (ACCOUNT, 5, data.i32(1), DataAccessResult.READ_WRITE_DENIED),
        (ACCOUNT, 12, data.array([TokenShare(CREDITS[0], 60).to_data()] * 2), DataAccessResult.TYPE_UNMATCHED),
        (ACCOUNT, 13, data.octets(bytes(12)), DataAccessResult.TYPE_UNMATCHED),
        (TOKEN, 2, data.i32(1), DataAccessResult.READ_WRITE_DENIED),
        (TOKEN, 3, data.enum(5), DataAccessResult.TYPE_UNMATCHED),
        (TOKEN, 7, data.bits("1111"), DataAccessResult.TYPE_UNMATCHED),
        (RENT, 3, data.enum(3), DataAccessResult.TYPE_UNMATCHED),
        (RENT, 5, data.structure(), DataAccessResult.TYPE_UNMATCHED),
    ],
)
def test_what_does_not_fit_is_refused(name, attribute, value, result):
    assert bench().set(name, attribute, value) is result


def test_gurux_writes_the_same_octets():
    meter = bench(replace(START, currency=Currency("EUR", -2, 2), shares=(TokenShare(CREDITS[0], 40),)), active=False)
    account = GXDLMSAccount(ACCOUNT)
    account.paymentMode, account.accountStatus = 2, 1
    account.creditReferences, account.chargeReferences = [TOKEN, EMERGENCY], [RENT, DEBT]
    account.currency.name, account.currency.scale, account.currency.unit = "EUR", -2, 2
    for attribute in (2, 9, 10, 11, 15, 18, 19):
        assert gurux_octets(account, attribute) == meter.encoded(ACCOUNT, attribute)
    credit = GXDLMSCredit(TOKEN)
    credit.currentCreditAmount, credit.priority, credit.warningThreshold = 1000, 1, 200
    for attribute in (2, 3, 4, 5, 6, 8, 9, 10):
        assert gurux_octets(credit, attribute) == meter.encoded(TOKEN, attribute)
    charge = GXDLMSCharge(RENT)
    charge.chargeType, charge.priority, charge.period = 1, 1, DAY_S
    for attribute in (2, 3, 4, 8, 11, 12, 13):
        assert gurux_octets(charge, attribute) == meter.encoded(RENT, attribute)
    gateway = GXDLMSTokenGateway(GATEWAY)
    gateway.descriptions = []
    assert gurux_octets(gateway, 4) == meter.encoded(GATEWAY, 4)
