package meter

import "encoding/binary"

// Numbers are written in their shortest form, so that all readers agree.

func appendUint(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

func appendInt(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendName(b []byte, s string) []byte { return append(appendUint(b, uint32(len(s))), s...) }
func appendBytes(b, body []byte) []byte    { return append(appendUint(b, uint32(len(body))), body...) }
func appendOp(b []byte, op opcode) []byte {
	if op >= prefixed {
		return append(b, 0xfc, byte(op-prefixed))
	}
	return append(b, byte(op))
}
