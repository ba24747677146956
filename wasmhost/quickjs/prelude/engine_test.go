package prelude_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	quickjswasi "github.com/aperturerobotics/go-quickjs-wasi-reactor"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/quickjs/prelude"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

var cache wazero.CompilationCache

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "prelude")
	if err == nil {
		err = wasmtest.FillCache(dir)
	}
	if err == nil {
		cache, err = wazero.NewCompilationCacheWithDir(dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	if err := errors.Join(cache.Close(context.Background()), wasmtest.KeepCache(dir), os.RemoveAll(dir)); err != nil {
		panic(err)
	}
	_ = os.RemoveAll(installed)
	os.Exit(code)
}

// engine returns a runtime with the engine, metered as the host meters it.
var engine = sync.OnceValues(func() (wazero.Runtime, wazero.CompiledModule) {
	ctx := context.Background()
	m, err := meter.Decode(quickjswasi.QuickJSWASM)
	if err != nil {
		panic(err)
	}
	code, err := m.Instrument()
	if err != nil {
		panic(err)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache).WithMemoryLimitPages(1024))
	wasi_snapshot_preview1.MustInstantiate(ctx, rt)
	pause := func(ctx context.Context, _ []uint64) {
		if err := ctx.Err(); err != nil {
			panic(err)
		}
	}
	_, err = rt.NewHostModuleBuilder(meter.PauseModule).NewFunctionBuilder().WithGoFunction(api.GoFunc(pause), nil, nil).
		Export(meter.PauseFunction).Instantiate(ctx)
	if err != nil {
		panic(err)
	}
	compiled, err := rt.CompileModule(ctx, code)
	if err != nil {
		panic(err)
	}
	return rt, compiled
})

// script is an instance of the engine with the prelude and maybe a connector, driven as the host drives it.
type script struct {
	t         testing.TB
	module    api.Module
	functions map[string]api.Function
	runtime   uint64
	context   uint64
	driver    map[string]uint64
	output    bytes.Buffer // what it has printed
	slept     time.Duration
	frozen    bool // its clock does not show that it has slept, as in a replay
}

// newScript starts an instance and evaluates the prelude.
func newScript(t testing.TB) *script {
	t.Helper()
	s := newEngine(t)
	s.evaluatePrelude()
	return s
}

// newEngine starts an instance.
func newEngine(t testing.TB) *script {
	t.Helper()
	rt, compiled := engine()
	s := &script{t: t, functions: map[string]api.Function{}, driver: map[string]uint64{}}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().WithWalltime(s.walltime, 1).WithSysNanotime().WithStdout(&s.output).WithStderr(&s.output)
	var err error
	if s.module, err = rt.InstantiateModule(t.Context(), compiled, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.module.Close(context.Background()) })
	if s.module.ExportedFunction(meter.StartExport) != nil {
		s.call(meter.StartExport)
	}
	s.call("_initialize")
	s.runtime = s.call("JS_NewRuntime")
	s.call("JS_SetMemoryLimit", s.runtime, 32<<20)
	s.call("JS_SetMaxStackSize", s.runtime, 512<<10)
	s.context = s.call("JS_NewContext", s.runtime)
	s.call("js_std_add_helpers", s.context, ^uint64(0)&0xffffffff, 0)
	return s
}

// walltime returns a time that only sleeping moves.
func (s *script) walltime() (seconds int64, nanoseconds int32) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if !s.frozen {
		now = now.Add(s.slept)
	}
	return now.Unix(), int32(now.Nanosecond())
}

func (s *script) evaluatePrelude() {
	s.t.Helper()
	p := s.bytes(string(prelude.Bytecode))
	code := s.must(s.call("JS_ReadObject", s.context, p, uint64(len(prelude.Bytecode)), 1))
	s.call("free", p)
	driver := s.must(s.call("JS_EvalFunction", s.context, code))
	for _, name := range []string{"load", "operations", "begin", "turn", "settle"} {
		s.driver[name] = s.property(driver, name)
	}
}

func (s *script) call(name string, args ...uint64) uint64 {
	s.t.Helper()
	f := s.functions[name]
	if f == nil {
		if f = s.module.ExportedFunction(name); f == nil {
			s.t.Fatalf("the engine does not export %s", name)
		}
		s.functions[name] = f
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	results, err := f.Call(ctx, args...)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, &s.output)
	}
	if len(results) == 0 {
		return 0
	}
	return results[0]
}

// bytes copies a text to the engine's memory, with a zero byte behind it.
func (s *script) bytes(text string) uint64 {
	p := s.call("malloc", uint64(len(text)+1))
	mem := s.module.Memory()
	if !mem.WriteString(uint32(p), text) || !mem.WriteByte(uint32(p)+uint32(len(text)), 0) {
		s.t.Fatal("the engine has no memory left")
	}
	return p
}

func (s *script) eval(file, source string, flags uint64) uint64 {
	text, name := s.bytes(source), s.bytes(file)
	defer func() { s.call("free", text); s.call("free", name) }()
	return s.call("JS_Eval", s.context, text, uint64(len(source)), name, flags)
}

func (s *script) property(object uint64, name string) uint64 {
	p := s.bytes(name)
	defer s.call("free", p)
	return s.call("JS_GetPropertyStr", s.context, object, p)
}

// text returns a value as a string.
func (s *script) text(value uint64) string {
	length := s.call("malloc", 4)
	defer s.call("free", length)
	p := s.call("JS_ToCStringLen2", s.context, length, value, 0)
	if p == 0 {
		return "(a value that has no string)"
	}
	n, _ := s.module.Memory().ReadUint32Le(uint32(length))
	b, _ := s.module.Memory().Read(uint32(p), n)
	text := string(b)
	s.call("JS_FreeCString", s.context, p)
	return text
}

const (
	undefined = 3 << 32
	exception = 6 << 32
)

// try returns a value, or the exception as an error.
func (s *script) try(value uint64) (uint64, error) {
	if value != exception {
		return value, nil
	}
	e := s.call("JS_GetException", s.context)
	text := s.text(e)
	if stack := s.property(e, "stack"); stack != undefined {
		text += "\n" + s.text(stack)
	}
	return 0, errors.New(text)
}

func (s *script) must(value uint64) uint64 {
	s.t.Helper()
	value, err := s.try(value)
	if err != nil {
		s.t.Fatal(err)
	}
	return value
}

// drive calls a function of the driver with strings or values, and frees them.
func (s *script) drive(name string, args ...any) (string, error) {
	values := s.call("malloc", uint64(8*len(args)+8))
	for i, arg := range args {
		v, ok := arg.(uint64)
		if text, isText := arg.(string); isText {
			p := s.bytes(text)
			v, ok = s.call("JS_NewStringLen", s.context, p, uint64(len(text))), true
			s.call("free", p)
		}
		if !ok {
			s.t.Fatalf("%T", arg)
		}
		s.module.Memory().WriteUint64Le(uint32(values)+uint32(8*i), v)
	}
	result := s.call("JS_Call", s.context, s.driver[name], undefined, uint64(len(args)), values)
	for i := range args {
		v, _ := s.module.Memory().ReadUint64Le(uint32(values) + uint32(8*i))
		s.call("JS_FreeValue", s.context, v)
	}
	s.call("free", values)
	result, err := s.try(result)
	if err != nil || result == undefined {
		return "", err
	}
	defer s.call("JS_FreeValue", s.context, result)
	return s.text(result), nil
}

func (s *script) jobs() {
	context := s.call("malloc", 4)
	defer s.call("free", context)
	for int32(s.call("JS_ExecutePendingJob", s.runtime, context)) > 0 {
	}
}

// load loads a connector: as CommonJS if its text can be the body of a function, and otherwise as a module. JS_DetectModule takes
// all that could be a module for one.
func (s *script) load(source string) error {
	f, err := s.try(s.eval("acme.js", "(function (exports, require, module, __filename, __dirname) {"+source+"\n})", 0))
	if err == nil {
		_, err = s.drive("load", "commonjs", f)
		return err
	}
	for _, m := range prelude.Imports(source) {
		if _, err := s.try(s.eval(m.Name, m.Source, 1)); err != nil {
			return err
		}
		s.jobs()
	}
	compiled, err := s.try(s.eval("acme.js", source, 1|1<<5))
	if err != nil {
		return err
	}
	definition := compiled & 0xffffffff // a module is a pointer
	promise, err := s.try(s.call("JS_EvalFunction", s.context, compiled))
	if err != nil {
		return err
	}
	s.jobs()
	if state := s.call("JS_PromiseState", s.context, promise); state != 1 {
		reason := s.call("JS_PromiseResult", s.context, promise)
		return fmt.Errorf("the module ended with state %d: %s", int32(state), s.text(reason))
	}
	_, err = s.drive("load", "module", s.call("JS_GetModuleNamespace", s.context, definition))
	return err
}

// request is what a connector asks of the host.
type request struct {
	Import   string
	Document string
}

// result is how an operation has ended.
type result struct {
	Result int
	Output string
	Stuck  bool
}

// run runs an operation. Each request is answered by the next function, or by the last one.
func (s *script) run(operation, input, env string, answer func(request) any) (result, error) {
	if _, err := s.drive("begin", operation, input, env, strings.Repeat("0123456789abcdef", 4)); err != nil {
		return result{}, err
	}
	for range 1000 {
		s.jobs()
		text, err := s.drive("turn")
		if err != nil {
			return result{}, err
		}
		head, text, _ := strings.Cut(text, "\n")
		kind, number, _ := strings.Cut(head, " ")
		n, _ := strconv.Atoi(number)
		switch kind {
		case "result":
			return result{Result: n, Output: text}, nil
		case "stuck":
			return result{Stuck: true}, nil
		case "sleep":
			s.slept += time.Duration(n) * time.Millisecond
			continue
		}
		var given []any
		if a := answer(request{kind, text}); a != nil {
			given = append(given, a)
		}
		if _, err := s.drive("settle", given...); err != nil {
			return result{}, err
		}
	}
	return result{}, errors.New("the operation does not end")
}
