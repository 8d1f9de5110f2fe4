"""A firmware image from a client to a server, APDU by APDU, as a campaign sends it over a line that loses blocks."""

import random

import pytest

from hes.dlms import axdr
from hes.dlms.client import Client
from hes.dlms.client.events import ActDone, Associated, Got, SendNext, SetDone
from hes.dlms.client.settings import ClientSettings
from hes.dlms.cosem import ClientAccess, LogicalDevice, Role
from hes.dlms.cosem.image.plan import (
    BLOCK_TRANSFER,
    Done,
    GivenUp,
    ImageTransferPlan,
    Invoke,
    Poll,
    ReadAttribute,
    WriteAttribute,
)
from hes.dlms.cosem.image.state import ImageToActivate, ImageTransferStatus
from hes.dlms.cosem.image.transfer import IMAGE_TRANSFER_NAME, ImageTransfer
from hes.dlms.cosem.tests.object_bench import NOW_S, Meter
from hes.dlms.server import Server
from hes.dlms.xdlms.common import AttributeDescriptor, MethodDescriptor

IMAGE = random.Random(4).randbytes(100_000)
NAME = b"AML-fw-2.0"


def _verify(meter, transfer):
    if bytes(meter.image.body) != IMAGE:
        return ()
    return (ImageToActivate(transfer.size, transfer.identification, b"signature"),)


DEVICE = LogicalDevice(
    name=lambda _meter: b"AML1",
    clients=(ClientAccess(client_sap=1, role=Role.MANAGEMENT | Role.READER),),
    objects=[
        ImageTransfer(
            block_octets=200,
            store=lambda meter: meter.image,
            verifier=_verify,
            activator=lambda _meter, _transfer: True,
            verification_s=90,
            activation_s=300,
            enabled=False,
        )
    ],
    states=lambda meter: meter.states,
)


class Campaign:
    def __init__(self, loss, seed):
        self.meter, self.now_s, self.polls = Meter(), NOW_S, 0
        self.loss, self.dice = loss, random.Random(seed)
        self.client = Client(ClientSettings(client_sap=1), send_counter=1)
        self.connect()

    def connect(self):
        self.server = Server(DEVICE, self.meter, entropy=bytes)
        self.client.link_lost()
        assert isinstance(self.exchange(self.client.associate()), Associated)

    def exchange(self, octets):
        event = self.client.receive(self.server.receive(1, octets, self.now_s))
        while isinstance(event, SendNext):
            event = self.client.receive(self.server.receive(1, event.octets, self.now_s))
        return event

    def run(self, plan, steps_max=5000):
        """Until the plan ends. A block that the line loses is not asked for again here: the plan finds the gap."""
        for _ in range(steps_max):
            step = plan.next_step()
            match step:
                case ReadAttribute(attribute):
                    event = self.exchange(self.client.get(AttributeDescriptor(18, IMAGE_TRANSFER_NAME, attribute)))
                    assert isinstance(event, Got)
                    plan.read(attribute, axdr.decode_value(event.data)[0])
                case WriteAttribute(attribute, value):
                    descriptor = AttributeDescriptor(18, IMAGE_TRANSFER_NAME, attribute)
                    event = self.exchange(self.client.set(descriptor, axdr.encode(value)))
                    assert isinstance(event, SetDone)
                    plan.answered(event.results[0])
                case Invoke(method, parameters):
                    if method == BLOCK_TRANSFER and self.dice.random() < self.loss:
                        plan.answered(0)  # sent without confirmation, and lost
                        continue
                    descriptor = MethodDescriptor(18, IMAGE_TRANSFER_NAME, method)
                    event = self.exchange(self.client.act(descriptor, axdr.encode(parameters)))
                    assert isinstance(event, ActDone)
                    plan.answered(event.result)
                case Poll():
                    self.polls += 1
                    self.now_s += 60
                case Done() | GivenUp():
                    return step
        return None


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_whole_image_arrives_is_verified_and_activated(loss):
    campaign = Campaign(loss, seed=1)
    assert campaign.run(ImageTransferPlan(IMAGE, NAME, signature=b"signature")) == Done(ImageTransferStatus.ACTIVATED)
    assert bytes(campaign.meter.image.body) == IMAGE
    assert campaign.polls >= 2 + 5  # 90 s and 300 s by the minute


def test_a_session_that_breaks_is_taken_up_in_the_next_one():
    campaign = Campaign(0.1, seed=2)
    assert campaign.run(ImageTransferPlan(IMAGE, NAME), steps_max=200) is None
    campaign.connect()  # the server forgot its associations; the transfer is the meter's
    plan = ImageTransferPlan(IMAGE, NAME, resume=True)
    assert isinstance(campaign.run(plan), Done)
    assert plan.rounds >= 1
    assert bytes(campaign.meter.image.body) == IMAGE
