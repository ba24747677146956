package quickjs

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/crmgate/crmgate/wasmhost/quickjs/prelude"
)

// Script is a connector in JavaScript, or in TypeScript without its types.
type Script struct {
	Name   string // of its file, such as clio.js: it is in messages and stacks
	Source string
	// Env is the configuration at the top level, an object as JSON: a text for a name that has a value, and null for one that has none.
	// It may be empty.
	Env string
	// Mappings are those of a script that was in TypeScript, whose places messages and stacks have. This package does not use them.
	Mappings string
}

// Program is a script that Load has loaded. It is safe for concurrent use: calls run in copies of the instance.
type Program struct {
	runtime, ctx        uint32
	scratch             uint32
	file                string
	begin, turn, settle value
	operations          []string
	configured          bool
}

// Operations returns the operations that the script exports, as it says. The caller does not modify the slice.
func (p *Program) Operations() []string { return p.operations }

// Configured reports whether the script has looked at its configuration while it was loaded: what it is may depend on it.
func (p *Program) Configured() bool { return p.configured }

// Config says how to load a script.
type Config struct {
	Memory uint32 // bytes that scripts may use: an exception follows
	// SetStack has the engine's functions keep what they need on their stack below an address from now on.
	SetStack func(top uint32)
}

// The stack of the engine. The linker gives it 64 KB, above data that an overflow would write over. The engine has no check of it on
// WebAssembly, so the limit is set by hand. Functions that do not check keep within the margin.
const (
	stackSize   = 256 << 10
	stackMargin = 64 << 10
)

// The places of two fields of a JSRuntime in this version of the engine.
const (
	stackSizeField  = 120
	stackLimitField = 128
)

// garbageAt is how much memory scripts may use before the engine looks for cycles, in bytes. Looking writes to every object, so that a
// call would copy all pages of its template. What is in no cycle is freed at once.
const garbageAt = 8 << 20

// Load loads a script into an instance whose initialization has run. An error that matches *Exception is the script's.
func Load(g Guest, s Script, c Config) (*Program, error) {
	m := &machine{Guest: g, file: s.Name}
	if err := m.open(c); err != nil {
		return nil, err
	}
	p := &Program{runtime: m.runtime, ctx: m.ctx, scratch: m.scratch, file: s.Name}
	l, err := m.evaluatePrelude(p)
	if err != nil {
		return nil, fmt.Errorf("the prelude: %w", err)
	}
	if err := m.load(p, l, s); err != nil {
		return nil, err
	}
	_, err = m.call("JS_RunGC", uint64(m.runtime))
	return p, err
}

// open makes a runtime with its limits, and a context.
func (m *machine) open(c Config) error {
	stack, err := m.call("malloc", stackSize)
	if err == nil && stack == 0 {
		err = errNoMemory
	}
	if err != nil {
		return err
	}
	c.SetStack(uint32(stack+stackSize) &^ 15)
	runtime, err := m.call("JS_NewRuntime")
	if err != nil {
		return err
	}
	m.runtime = uint32(runtime)
	for _, limit := range []struct {
		function string
		value    uint64
	}{{"JS_SetMaxStackSize", stackSize}, {"JS_SetMemoryLimit", uint64(c.Memory)}, {"JS_SetGCThreshold", garbageAt}} {
		if _, err := m.call(limit.function, runtime, limit.value); err != nil {
			return err
		}
	}
	field, err := m.bytes(m.runtime+stackSizeField, stackLimitField-stackSizeField+4)
	if err == nil && binary.LittleEndian.Uint32(field) != stackSize {
		err = errors.New("this version of the engine has its limit of the stack elsewhere")
	}
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(field[stackLimitField-stackSizeField:], uint32(stack)+stackMargin)
	ctx, err := m.call("JS_NewContext", runtime)
	if err != nil {
		return err
	}
	m.ctx = uint32(ctx)
	scratch, err := m.call("calloc", scratchSize, 1)
	if err == nil && (ctx == 0 || scratch == 0) {
		err = errNoMemory
	}
	m.scratch = uint32(scratch)
	if err != nil {
		return err
	}
	if _, err = m.call("js_std_init_handlers", runtime); err != nil {
		return err
	}
	_, err = m.call("js_std_add_helpers", ctx, 0, 0) // print and console
	return err
}

// How JS_Eval evaluates.
const (
	asScript    = 0
	asModule    = 1 << 0
	compileOnly = 1 << 5
)

// evaluate evaluates source text, given in parts.
func (m *machine) evaluate(file string, how uint64, source ...string) (v value, err error) {
	at, size, err := m.put(source...)
	if err != nil {
		return 0, err
	}
	defer m.free(&err, at)
	name, _, err := m.put(file)
	if err != nil {
		return 0, err
	}
	defer m.free(&err, name)
	return m.thrown(m.call("JS_Eval", uint64(m.ctx), uint64(at), uint64(size), uint64(name), how))
}

// loader has the functions of the prelude that only loading needs.
type loader struct{ configure, load, isConfigured, operations value }

// evaluatePrelude evaluates the prelude.
func (m *machine) evaluatePrelude(p *Program) (l loader, err error) {
	functions, err := m.evaluateBytecode(prelude.Bytecode)
	if err != nil {
		return l, err
	}
	defer m.release(&err, functions)
	for name, to := range map[string]*value{
		"configure": &l.configure, "load": &l.load, "isConfigured": &l.isConfigured, "operations": &l.operations,
		"begin": &p.begin, "turn": &p.turn, "settle": &p.settle,
	} {
		if *to, err = m.thrown(m.property(functions, name)); err != nil {
			return l, err
		}
	}
	return l, err
}

// isBytecode has JS_ReadObject read what JS_WriteObject wrote of code.
const isBytecode = 1 << 0

// evaluateBytecode evaluates a compiled script.
func (m *machine) evaluateBytecode(code []byte) (v value, err error) {
	at, size, err := m.put(string(code))
	if err != nil {
		return 0, err
	}
	defer m.free(&err, at)
	compiled, err := m.thrown(m.call("JS_ReadObject", uint64(m.ctx), uint64(at), uint64(size), isBytecode))
	if err != nil {
		return 0, err
	}
	return m.thrown(m.call("JS_EvalFunction", uint64(m.ctx), compiled)) // which gives it up
}

// load evaluates the script, gives what it exports to the prelude, and asks which operations there are.
func (m *machine) load(p *Program, l loader, s Script) (err error) {
	if s.Env != "" {
		env, err := m.strings(s.Env)
		if err == nil {
			err = m.do(l.configure, env)
		}
		if err != nil {
			return err
		}
	}
	kind, exports, err := m.evaluateScript(s)
	if err != nil {
		return err
	}
	arguments, err := m.strings(kind)
	if err != nil {
		return err
	}
	if err := m.do(l.load, append(arguments, exports)); err != nil {
		return err
	}
	configured, err := m.apply(l.isConfigured)
	if err != nil {
		return err
	}
	p.configured = configured == isTrue
	operations, err := m.apply(l.operations)
	if err != nil {
		return err
	}
	defer m.release(&err, operations)
	names, err := m.wholeText(operations, maxOperations)
	if err == nil {
		err = json.Unmarshal([]byte(names), &p.operations)
	}
	return err
}

// maxOperations is the maximum length of the list of operations, in bytes.
const maxOperations = 4 << 10

// moduleWord begins a line that only a module can have.
var moduleWord = regexp.MustCompile(`(?m)^\s*(export\s*[{*]|export\s+(default|const|let|var|function|async|class)\b|import\s*[{*"']|import\s+\w)`)

// noModule begins the engine's message about an import that it does not find.
const noModule = "ReferenceError: could not load module"

// evaluateScript evaluates the script, and returns its kind, and what the prelude takes of such a script: a function, or the namespace
// of a module. As in Node.js, a script is a module if it has no sense otherwise.
func (m *machine) evaluateScript(s Script) (kind string, exports value, err error) {
	exports, err = m.evaluate(s.Name, asScript, "(function (exports, require, module, __filename, __dirname) {", s.Source, "\n})")
	var wrong *Exception
	if !errors.As(err, &wrong) {
		return "commonjs", exports, err
	}
	if err := m.evaluateImports(s.Source); err != nil {
		return "", 0, err
	}
	code, err := m.evaluate(s.Name, asModule|compileOnly, s.Source)
	switch {
	case err != nil && !moduleWord.MatchString(s.Source):
		return "", 0, wrong
	case errors.As(err, &wrong) && strings.HasPrefix(wrong.Message, noModule):
		wrong.Message += ": bundle it into the connector's file, for example with esbuild --bundle"
		return "", 0, wrong
	case err != nil:
		return "", 0, err
	case tagOf(code) != tagModule:
		return "", 0, ErrCorrupt
	}
	exports, err = m.evaluateModule(code)
	return "module", exports, err
}

// The states of a promise.
const (
	pending  = 0
	rejected = 2
)

// evaluateImports evaluates the modules that the prelude supplies and a script may import: the engine then knows them by their names.
func (m *machine) evaluateImports(source string) error {
	for _, module := range prelude.Imports(source) {
		v, err := m.evaluate(module.Name, asModule, module.Source)
		if err == nil {
			m.release(&err, v)
		}
		if err == nil {
			err = m.jobs()
		}
		if err != nil {
			return fmt.Errorf("the prelude's module %s: %w", module.Name, err)
		}
	}
	return nil
}

// evaluateModule evaluates a compiled module, and returns its namespace.
func (m *machine) evaluateModule(code value) (namespace value, err error) {
	promise, err := m.thrown(m.call("JS_EvalFunction", uint64(m.ctx), code))
	if err != nil {
		return 0, err
	}
	defer m.release(&err, promise)
	if err := m.jobs(); err != nil {
		return 0, err
	}
	state, err := m.call("JS_PromiseState", uint64(m.ctx), promise)
	switch {
	case err != nil:
		return 0, err
	case state == rejected:
		reason, err := m.call("JS_PromiseResult", uint64(m.ctx), promise)
		if err == nil {
			_, err = m.call("JS_Throw", uint64(m.ctx), reason)
		}
		if err == nil {
			err = m.exception()
		}
		return 0, err
	case state == pending:
		return 0, &Exception{Message: "Error: the top level awaits what never comes: fetch and timers are for operations"}
	}
	return m.thrown(m.call("JS_GetModuleNamespace", uint64(m.ctx), code&0xFFFFFFFF))
}
