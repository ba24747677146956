package meter

import "fmt"

// opcode is the first byte of an instruction. After the prefix 0xfc, it is prefixed plus the number that follows.
type opcode uint16

const prefixed opcode = 0x100

// The opcodes that the package refers to by name.
const (
	opUnreachable     opcode = 0x00
	opBlock           opcode = 0x02
	opLoop            opcode = 0x03
	opIf              opcode = 0x04
	opElse            opcode = 0x05
	opEnd             opcode = 0x0b
	opBr              opcode = 0x0c
	opBrIf            opcode = 0x0d
	opBrTable         opcode = 0x0e
	opReturn          opcode = 0x0f
	opCall            opcode = 0x10
	opCallIndirect    opcode = 0x11
	opDrop            opcode = 0x1a
	opSelect          opcode = 0x1b
	opSelectTyped     opcode = 0x1c
	opLocalGet        opcode = 0x20
	opLocalSet        opcode = 0x21
	opLocalTee        opcode = 0x22
	opGlobalGet       opcode = 0x23
	opGlobalSet       opcode = 0x24
	opTableGet        opcode = 0x25
	opTableSet        opcode = 0x26
	opI32Load         opcode = 0x28
	opI64Store32      opcode = 0x3e
	opMemorySize      opcode = 0x3f
	opMemoryGrow      opcode = 0x40
	opI32Const        opcode = 0x41
	opI64Const        opcode = 0x42
	opF32Const        opcode = 0x43
	opF64Const        opcode = 0x44
	opI32Eq           opcode = 0x46
	opI32LtS          opcode = 0x48
	opI32LeU          opcode = 0x4d
	opI32GtS          opcode = 0x4a
	opI32GtU          opcode = 0x4b
	opI32GeS          opcode = 0x4e
	opI64GtU          opcode = 0x56
	opI32Add          opcode = 0x6a
	opI32Sub          opcode = 0x6b
	opI32DivS         opcode = 0x6d
	opI32RemU         opcode = 0x70
	opI32Shl          opcode = 0x74
	opI32ShrU         opcode = 0x76
	opI64Add          opcode = 0x7c
	opI64DivS         opcode = 0x7f
	opI64RemU         opcode = 0x82
	opF32Min          opcode = 0x96
	opF32Copysign     opcode = 0x98
	opF64Min          opcode = 0xa4
	opF64Copysign     opcode = 0xa6
	opI32TruncF32S    opcode = 0xa8
	opI32TruncF64U    opcode = 0xab
	opI64ExtendI32    opcode = 0xad
	opI64TruncF32S    opcode = 0xae
	opI64TruncF64U    opcode = 0xb1
	opRefNull         opcode = 0xd0
	opRefIsNull       opcode = 0xd1
	opRefFunc         opcode = 0xd2
	opI64TruncSatF64U        = prefixed + 7
	opMemoryInit             = prefixed + 8
	opDataDrop               = prefixed + 9
	opMemoryCopy             = prefixed + 10
	opMemoryFill             = prefixed + 11
	opTableInit              = prefixed + 12
	opElemDrop               = prefixed + 13
	opTableCopy              = prefixed + 14
	opTableGrow              = prefixed + 15
	opTableFill              = prefixed + 17
)

// immediate is the kind of immediates that follow an opcode.
type immediate uint8

const (
	immUnknown immediate = iota // the instruction is not supported
	immNone
	immBlock // the type of a block
	immLabel
	immLabels // a vector of labels, and the default
	immFunc
	immIndirect // a type and a table
	immSelected // a vector of one value type
	immLocal
	immGlobal
	immTable
	immMemory8 // alignment and offset of an access to 8 bits
	immMemory16
	immMemory32
	immMemory64
	immZero // the memory index, which is zero
	immZeroZero
	immI32
	immI64
	immF32
	immF64
	immRef // a reference type
	immData
	immDataZero // a data segment and the memory
	immElem
	immElemTable // an element segment and a table
	immTableTable
)

// spec describes an instruction. Its signature lists operands and results if they are always the same: i, l, f, d and n stand
// for i32, i64, f32, f64 and funcref.
type spec struct {
	name      string
	imm       immediate
	signature string
}

// specs are the supported instructions: WebAssembly 1.0 with sign extension, saturating conversions, multiple values, bulk
// memory and reference types. The tested toolchains emit vector instructions only on request.
var specs = [prefixed + 18]spec{
	0x00:          {"unreachable", immNone, ""},
	0x01:          {"nop", immNone, ""},
	0x02:          {"block", immBlock, ""},
	0x03:          {"loop", immBlock, ""},
	0x04:          {"if", immBlock, ""},
	0x05:          {"else", immNone, ""},
	0x0b:          {"end", immNone, ""},
	0x0c:          {"br", immLabel, ""},
	0x0d:          {"br_if", immLabel, ""},
	0x0e:          {"br_table", immLabels, ""},
	0x0f:          {"return", immNone, ""},
	0x10:          {"call", immFunc, ""},
	0x11:          {"call_indirect", immIndirect, ""},
	0x1a:          {"drop", immNone, ""},
	0x1b:          {"select", immNone, ""},
	0x1c:          {"select", immSelected, ""},
	0x20:          {"local.get", immLocal, ""},
	0x21:          {"local.set", immLocal, ""},
	0x22:          {"local.tee", immLocal, ""},
	0x23:          {"global.get", immGlobal, ""},
	0x24:          {"global.set", immGlobal, ""},
	0x25:          {"table.get", immTable, ""},
	0x26:          {"table.set", immTable, ""},
	0x28:          {"i32.load", immMemory32, "i:i"},
	0x29:          {"i64.load", immMemory64, "i:l"},
	0x2a:          {"f32.load", immMemory32, "i:f"},
	0x2b:          {"f64.load", immMemory64, "i:d"},
	0x2c:          {"i32.load8_s", immMemory8, "i:i"},
	0x2d:          {"i32.load8_u", immMemory8, "i:i"},
	0x2e:          {"i32.load16_s", immMemory16, "i:i"},
	0x2f:          {"i32.load16_u", immMemory16, "i:i"},
	0x30:          {"i64.load8_s", immMemory8, "i:l"},
	0x31:          {"i64.load8_u", immMemory8, "i:l"},
	0x32:          {"i64.load16_s", immMemory16, "i:l"},
	0x33:          {"i64.load16_u", immMemory16, "i:l"},
	0x34:          {"i64.load32_s", immMemory32, "i:l"},
	0x35:          {"i64.load32_u", immMemory32, "i:l"},
	0x36:          {"i32.store", immMemory32, "ii:"},
	0x37:          {"i64.store", immMemory64, "il:"},
	0x38:          {"f32.store", immMemory32, "if:"},
	0x39:          {"f64.store", immMemory64, "id:"},
	0x3a:          {"i32.store8", immMemory8, "ii:"},
	0x3b:          {"i32.store16", immMemory16, "ii:"},
	0x3c:          {"i64.store8", immMemory8, "il:"},
	0x3d:          {"i64.store16", immMemory16, "il:"},
	0x3e:          {"i64.store32", immMemory32, "il:"},
	0x3f:          {"memory.size", immZero, ":i"},
	0x40:          {"memory.grow", immZero, "i:i"},
	0x41:          {"i32.const", immI32, ":i"},
	0x42:          {"i64.const", immI64, ":l"},
	0x43:          {"f32.const", immF32, ":f"},
	0x44:          {"f64.const", immF64, ":d"},
	0x45:          {"i32.eqz", immNone, "i:i"},
	0x46:          {"i32.eq", immNone, "ii:i"},
	0x47:          {"i32.ne", immNone, "ii:i"},
	0x48:          {"i32.lt_s", immNone, "ii:i"},
	0x49:          {"i32.lt_u", immNone, "ii:i"},
	0x4a:          {"i32.gt_s", immNone, "ii:i"},
	0x4b:          {"i32.gt_u", immNone, "ii:i"},
	0x4c:          {"i32.le_s", immNone, "ii:i"},
	0x4d:          {"i32.le_u", immNone, "ii:i"},
	0x4e:          {"i32.ge_s", immNone, "ii:i"},
	0x4f:          {"i32.ge_u", immNone, "ii:i"},
	0x50:          {"i64.eqz", immNone, "l:i"},
	0x51:          {"i64.eq", immNone, "ll:i"},
	0x52:          {"i64.ne", immNone, "ll:i"},
	0x53:          {"i64.lt_s", immNone, "ll:i"},
	0x54:          {"i64.lt_u", immNone, "ll:i"},
	0x55:          {"i64.gt_s", immNone, "ll:i"},
	0x56:          {"i64.gt_u", immNone, "ll:i"},
	0x57:          {"i64.le_s", immNone, "ll:i"},
	0x58:          {"i64.le_u", immNone, "ll:i"},
	0x59:          {"i64.ge_s", immNone, "ll:i"},
	0x5a:          {"i64.ge_u", immNone, "ll:i"},
	0x5b:          {"f32.eq", immNone, "ff:i"},
	0x5c:          {"f32.ne", immNone, "ff:i"},
	0x5d:          {"f32.lt", immNone, "ff:i"},
	0x5e:          {"f32.gt", immNone, "ff:i"},
	0x5f:          {"f32.le", immNone, "ff:i"},
	0x60:          {"f32.ge", immNone, "ff:i"},
	0x61:          {"f64.eq", immNone, "dd:i"},
	0x62:          {"f64.ne", immNone, "dd:i"},
	0x63:          {"f64.lt", immNone, "dd:i"},
	0x64:          {"f64.gt", immNone, "dd:i"},
	0x65:          {"f64.le", immNone, "dd:i"},
	0x66:          {"f64.ge", immNone, "dd:i"},
	0x67:          {"i32.clz", immNone, "i:i"},
	0x68:          {"i32.ctz", immNone, "i:i"},
	0x69:          {"i32.popcnt", immNone, "i:i"},
	0x6a:          {"i32.add", immNone, "ii:i"},
	0x6b:          {"i32.sub", immNone, "ii:i"},
	0x6c:          {"i32.mul", immNone, "ii:i"},
	0x6d:          {"i32.div_s", immNone, "ii:i"},
	0x6e:          {"i32.div_u", immNone, "ii:i"},
	0x6f:          {"i32.rem_s", immNone, "ii:i"},
	0x70:          {"i32.rem_u", immNone, "ii:i"},
	0x71:          {"i32.and", immNone, "ii:i"},
	0x72:          {"i32.or", immNone, "ii:i"},
	0x73:          {"i32.xor", immNone, "ii:i"},
	0x74:          {"i32.shl", immNone, "ii:i"},
	0x75:          {"i32.shr_s", immNone, "ii:i"},
	0x76:          {"i32.shr_u", immNone, "ii:i"},
	0x77:          {"i32.rotl", immNone, "ii:i"},
	0x78:          {"i32.rotr", immNone, "ii:i"},
	0x79:          {"i64.clz", immNone, "l:l"},
	0x7a:          {"i64.ctz", immNone, "l:l"},
	0x7b:          {"i64.popcnt", immNone, "l:l"},
	0x7c:          {"i64.add", immNone, "ll:l"},
	0x7d:          {"i64.sub", immNone, "ll:l"},
	0x7e:          {"i64.mul", immNone, "ll:l"},
	0x7f:          {"i64.div_s", immNone, "ll:l"},
	0x80:          {"i64.div_u", immNone, "ll:l"},
	0x81:          {"i64.rem_s", immNone, "ll:l"},
	0x82:          {"i64.rem_u", immNone, "ll:l"},
	0x83:          {"i64.and", immNone, "ll:l"},
	0x84:          {"i64.or", immNone, "ll:l"},
	0x85:          {"i64.xor", immNone, "ll:l"},
	0x86:          {"i64.shl", immNone, "ll:l"},
	0x87:          {"i64.shr_s", immNone, "ll:l"},
	0x88:          {"i64.shr_u", immNone, "ll:l"},
	0x89:          {"i64.rotl", immNone, "ll:l"},
	0x8a:          {"i64.rotr", immNone, "ll:l"},
	0x8b:          {"f32.abs", immNone, "f:f"},
	0x8c:          {"f32.neg", immNone, "f:f"},
	0x8d:          {"f32.ceil", immNone, "f:f"},
	0x8e:          {"f32.floor", immNone, "f:f"},
	0x8f:          {"f32.trunc", immNone, "f:f"},
	0x90:          {"f32.nearest", immNone, "f:f"},
	0x91:          {"f32.sqrt", immNone, "f:f"},
	0x92:          {"f32.add", immNone, "ff:f"},
	0x93:          {"f32.sub", immNone, "ff:f"},
	0x94:          {"f32.mul", immNone, "ff:f"},
	0x95:          {"f32.div", immNone, "ff:f"},
	0x96:          {"f32.min", immNone, "ff:f"},
	0x97:          {"f32.max", immNone, "ff:f"},
	0x98:          {"f32.copysign", immNone, "ff:f"},
	0x99:          {"f64.abs", immNone, "d:d"},
	0x9a:          {"f64.neg", immNone, "d:d"},
	0x9b:          {"f64.ceil", immNone, "d:d"},
	0x9c:          {"f64.floor", immNone, "d:d"},
	0x9d:          {"f64.trunc", immNone, "d:d"},
	0x9e:          {"f64.nearest", immNone, "d:d"},
	0x9f:          {"f64.sqrt", immNone, "d:d"},
	0xa0:          {"f64.add", immNone, "dd:d"},
	0xa1:          {"f64.sub", immNone, "dd:d"},
	0xa2:          {"f64.mul", immNone, "dd:d"},
	0xa3:          {"f64.div", immNone, "dd:d"},
	0xa4:          {"f64.min", immNone, "dd:d"},
	0xa5:          {"f64.max", immNone, "dd:d"},
	0xa6:          {"f64.copysign", immNone, "dd:d"},
	0xa7:          {"i32.wrap_i64", immNone, "l:i"},
	0xa8:          {"i32.trunc_f32_s", immNone, "f:i"},
	0xa9:          {"i32.trunc_f32_u", immNone, "f:i"},
	0xaa:          {"i32.trunc_f64_s", immNone, "d:i"},
	0xab:          {"i32.trunc_f64_u", immNone, "d:i"},
	0xac:          {"i64.extend_i32_s", immNone, "i:l"},
	0xad:          {"i64.extend_i32_u", immNone, "i:l"},
	0xae:          {"i64.trunc_f32_s", immNone, "f:l"},
	0xaf:          {"i64.trunc_f32_u", immNone, "f:l"},
	0xb0:          {"i64.trunc_f64_s", immNone, "d:l"},
	0xb1:          {"i64.trunc_f64_u", immNone, "d:l"},
	0xb2:          {"f32.convert_i32_s", immNone, "i:f"},
	0xb3:          {"f32.convert_i32_u", immNone, "i:f"},
	0xb4:          {"f32.convert_i64_s", immNone, "l:f"},
	0xb5:          {"f32.convert_i64_u", immNone, "l:f"},
	0xb6:          {"f32.demote_f64", immNone, "d:f"},
	0xb7:          {"f64.convert_i32_s", immNone, "i:d"},
	0xb8:          {"f64.convert_i32_u", immNone, "i:d"},
	0xb9:          {"f64.convert_i64_s", immNone, "l:d"},
	0xba:          {"f64.convert_i64_u", immNone, "l:d"},
	0xbb:          {"f64.promote_f32", immNone, "f:d"},
	0xbc:          {"i32.reinterpret_f32", immNone, "f:i"},
	0xbd:          {"i64.reinterpret_f64", immNone, "d:l"},
	0xbe:          {"f32.reinterpret_i32", immNone, "i:f"},
	0xbf:          {"f64.reinterpret_i64", immNone, "l:d"},
	0xc0:          {"i32.extend8_s", immNone, "i:i"},
	0xc1:          {"i32.extend16_s", immNone, "i:i"},
	0xc2:          {"i64.extend8_s", immNone, "l:l"},
	0xc3:          {"i64.extend16_s", immNone, "l:l"},
	0xc4:          {"i64.extend32_s", immNone, "l:l"},
	0xd0:          {"ref.null", immRef, ""},
	0xd1:          {"ref.is_null", immNone, ""},
	0xd2:          {"ref.func", immFunc, ":n"},
	prefixed + 0:  {"i32.trunc_sat_f32_s", immNone, "f:i"},
	prefixed + 1:  {"i32.trunc_sat_f32_u", immNone, "f:i"},
	prefixed + 2:  {"i32.trunc_sat_f64_s", immNone, "d:i"},
	prefixed + 3:  {"i32.trunc_sat_f64_u", immNone, "d:i"},
	prefixed + 4:  {"i64.trunc_sat_f32_s", immNone, "f:l"},
	prefixed + 5:  {"i64.trunc_sat_f32_u", immNone, "f:l"},
	prefixed + 6:  {"i64.trunc_sat_f64_s", immNone, "d:l"},
	prefixed + 7:  {"i64.trunc_sat_f64_u", immNone, "d:l"},
	prefixed + 8:  {"memory.init", immDataZero, "iii:"},
	prefixed + 9:  {"data.drop", immData, ""},
	prefixed + 10: {"memory.copy", immZeroZero, "iii:"},
	prefixed + 11: {"memory.fill", immZero, "iii:"},
	prefixed + 12: {"table.init", immElemTable, ""},
	prefixed + 13: {"elem.drop", immElem, ""},
	prefixed + 14: {"table.copy", immTableTable, ""},
	prefixed + 15: {"table.grow", immTable, ""},
	prefixed + 16: {"table.size", immTable, ":i"},
	prefixed + 17: {"table.fill", immTable, ""},
}

func (op opcode) spec() *spec {
	if int(op) < len(specs) {
		return &specs[op]
	}
	return &spec{}
}

func (op opcode) String() string {
	if s := op.spec(); s.imm != immUnknown {
		return s.name
	}
	if op >= prefixed {
		return fmt.Sprintf("the instruction 0xfc %d", op-prefixed)
	}
	return fmt.Sprintf("the instruction %#02x", byte(op))
}

// unsupported names the proposal that an unsupported opcode belongs to, and says how to build without it.
func unsupported(op opcode) string {
	switch {
	case op == 0xfd:
		return "vector instructions are not supported: build without them (C: -mno-simd128; Rust: -C target-feature=-simd128; AssemblyScript: leave out --enable simd)"
	case op == 0xfe:
		return "atomic instructions are not supported: build without threads"
	case op == 0xfb:
		return "garbage collection is not supported: build for WebAssembly 2.0"
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return "exceptions are not supported: build without them (C++: -fno-exceptions)"
	case op >= 0x12 && op <= 0x15:
		return "tail calls and calls of typed references are not supported: build for WebAssembly 2.0"
	}
	return "it is not an instruction of WebAssembly 2.0"
}
