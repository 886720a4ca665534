"""A Modbus TCP device with registers that change: the device of the demo and of the tests.

Served by pymodbus, which nobody here wrote. Numbers are one-based, as an engineer writes them:

  holding registers (writable)
    40001          level, 0..27648, a slow sine
    40002          counter, +1 every 100 ms
    40003-40004    the same as 32 bits, most significant register first
    40010          alarm bits, one after the other
    40011-40099    hold what is written
    40100-40115    eight 32-bit totals, most significant register first
    40151-40159    do not exist: a read that touches one is answered with exception 2
    40200-40299    fixed values of every type and order, see TYPES
    41001-42000    a ramp: tick + index
  coils 00001-00064 (writable) hold what is written, 00009 toggles every second
  discrete inputs 10001-10064  the bits of the counter in seconds, repeated
  input registers 30001-30100  30001 the counter, the others counter + index
"""

import argparse
import asyncio
import json
import logging
import math
import os
import struct
import time

from pymodbus.datastore import ModbusBaseSlaveContext, ModbusServerContext
from pymodbus.server import ModbusTcpServer

TICK = 0.1
ILLEGAL_ADDRESS = 2


def words(data):
    """The registers of some bytes."""
    return [high << 8 | low for high, low in zip(data[0::2], data[1::2])]


def orders(data):
    """The same value as ABCD, DCBA, BADC and CDAB."""
    swapped = bytes(byte for pair in zip(data[1::2], data[0::2]) for byte in pair)
    return [data, data[::-1], swapped, swapped[::-1]]


# Address (one-based, within the area) to the registers that stand there for ever.
TYPES = {}
for _index, _data in enumerate(orders(struct.pack(">f", 123.456))):
    TYPES[200 + 2 * _index] = words(_data)
for _index, _data in enumerate(orders(struct.pack(">i", -123456789))):
    TYPES[208 + 2 * _index] = words(_data)
for _index, _data in enumerate(orders(struct.pack(">d", -9876.54321))):
    TYPES[216 + 4 * _index] = words(_data)
for _index, _data in enumerate(orders(struct.pack(">Q", 0xFEDCBA9876543210))):
    TYPES[232 + 4 * _index] = words(_data)
TYPES[248] = words(struct.pack(">h", -1234))
TYPES[249] = words(struct.pack(">H", 54321))
TYPES[250] = words("Grüße, Welt".encode() + b"\0")  # 13 bytes and an end
TYPES[257] = words(b"aHll!o\0\0")  # low byte first
TYPES[261] = words(struct.pack(">f", math.nan))
TYPES[263] = words(struct.pack(">f", math.inf))
TYPES[265] = [0xFF9C]  # -100 as Char, and no Byte
TYPES[266] = [200]  # a Byte, and no Char


class Device(ModbusBaseSlaveContext):
    """Coils and registers of one unit."""

    HOLE = range(150, 159)

    def __init__(self, record):
        self.coils = [False] * 64
        self.discrete = [False] * 64
        self.inputs = [0] * 100
        self.holding = [0] * 2000
        self.record = record
        self.tick = 0
        for address, registers in TYPES.items():
            self.holding[address - 1 : address - 1 + len(registers)] = registers
        self.step()

    def area(self, function):
        return {1: self.coils, 5: self.coils, 15: self.coils, 2: self.discrete, 4: self.inputs}.get(
            function, self.holding
        )

    def legal(self, function, address, count):
        area = self.area(function)
        if address + count > len(area):
            return False
        return area is not self.holding or not (address < self.HOLE.stop and address + count > self.HOLE.start)

    def getValues(self, fc_as_hex, address, count=1):
        if not self.legal(fc_as_hex, address, count):
            return ILLEGAL_ADDRESS
        return self.area(fc_as_hex)[address : address + count]

    def setValues(self, fc_as_hex, address, values):
        values = list(values)
        if self.record:
            line = {"time": time.time(), "function": fc_as_hex, "address": address, "values": values}
            self.record.write(json.dumps(line) + "\n")
            self.record.flush()
        if not self.legal(fc_as_hex, address, len(values)):
            return ILLEGAL_ADDRESS
        self.area(fc_as_hex)[address : address + len(values)] = values
        return None

    def step(self):
        """What the plant does by itself."""
        self.tick += 1
        tick = self.tick
        self.holding[0] = round(13824 + 13824 * math.sin(tick * TICK * math.tau / 60))
        self.holding[1] = tick & 0xFFFF
        self.holding[2:4] = [tick >> 16 & 0xFFFF, tick & 0xFFFF]
        self.holding[9] = 1 << (tick // 10 % 16)
        for index in range(8):
            total = tick * (index + 1)
            self.holding[99 + 2 * index : 101 + 2 * index] = [total >> 16 & 0xFFFF, total & 0xFFFF]
        self.holding[1000:2000] = [(tick + index) & 0xFFFF for index in range(1000)]
        self.coils[8] = tick // 10 % 2 == 1
        self.discrete = [bool(tick // 10 >> (index % 16) & 1) for index in range(64)]
        self.inputs = [(tick + index) & 0xFFFF for index in range(100)]


async def serve(options):
    record = open(options.record_writes, "a", encoding="utf-8") if options.record_writes else None
    device = Device(record)
    context = ModbusServerContext(slaves={options.unit: device}, single=False)
    server = ModbusTcpServer(context, address=(options.host, options.port))
    if not await server.listen():
        raise SystemExit(f"device.py: cannot listen on {options.host}:{options.port}")
    print(f"listening on {options.host}:{options.port}", flush=True)
    parent = os.getppid()
    while not options.exit_with_parent or os.getppid() == parent:
        await asyncio.sleep(TICK)
        device.step()


def main():
    parser = argparse.ArgumentParser(description="A Modbus TCP device with registers that change.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1502)
    parser.add_argument("--unit", type=int, default=1)
    parser.add_argument("--record-writes", metavar="FILE", help="append a JSON line for each write that arrives")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when the process that started it ends")
    options = parser.parse_args()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    try:
        asyncio.run(serve(options))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
