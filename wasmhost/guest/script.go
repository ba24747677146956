package guest

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/crmgate/crmgate/wasmhost/quickjs"
)

// Script is a connector in JavaScript. The JavaScript engine is the module that runs it.
type Script = quickjs.Script

// loadScript loads a script into an instance of the JavaScript engine.
func (inst *instance) loadScript(ctx context.Context, c *call, s Script) (err error) {
	if len(inst.globals) == 0 || inst.globals[0].Get() != engineStack {
		return errors.New("the JavaScript engine has its stack elsewhere")
	}
	defer c.endScript(ctx, &err)
	inst.program, err = quickjs.Load(inst.engine(ctx, c), s, quickjs.Config{
		Memory:   c.module.limits.MemoryPages * pageSize / 4 * 3, // the rest is for the engine and for what the memory is split into
		SetStack: func(top uint32) { inst.globals[0].Set(uint64(top)) },
	})
	return err
}

// engineStack is where the engine's stack begins. Its address is the engine's first global.
const engineStack = 174_768

// runScript runs an operation of a script. After an error the instance must not be used again.
func (inst *instance) runScript(ctx context.Context, c *call) (result int32, err error) {
	defer c.endScript(ctx, &err)
	var seed [32]byte
	c.random(seed[:])
	env := "{}"
	if len(c.env) > 0 {
		env = string(c.env)
	}
	host := quickjs.Host{
		Fetch: func(request string) (string, error) {
			answer, err := c.fetch(ctx, []byte(request))
			return string(answer), errors.Join(err, ctx.Err())
		},
		Derive: func(request string) (string, bool, error) { return c.derive(ctx, []byte(request)) },
		Sleep: func(d time.Duration) error {
			if d > 0 && (c.view == nil || c.view.waits()) {
				return wait(ctx, d)
			}
			return ctx.Err()
		},
	}
	result, output, err := inst.program.Run(inst.engine(ctx, c), host, quickjs.Call{
		Operation: c.operation, Input: string(c.input), Env: env, Seed: hex.EncodeToString(seed[:]), MaxOutput: c.module.limits.MaxOutput,
	})
	c.output, c.hasOutput = []byte(output), result != resultUnsupported
	return result, err
}

// resultUnsupported is the result of an operation without an output.
const resultUnsupported = 2

// endScript logs what a script has left to say: the end of a line, and the stack of an exception, which a replay shows too.
func (c *call) endScript(ctx context.Context, err *error) {
	c.flushLine(ctx)
	var thrown *quickjs.Exception
	if errors.As(*err, &thrown) {
		for line := range strings.Lines(thrown.Message + "\n" + thrown.Stack) {
			c.log(ctx, slog.LevelError, []byte(strings.TrimRight(line, "\n")))
		}
		thrown.Stack = c.module.inTypeScript(thrown.Stack)
	}
	if c.view != nil { // the engine's own functions say nothing about the script
		c.view.Stack = ""
		if thrown != nil {
			c.view.Stack = thrown.Stack
		}
	}
}

// inTypeScript returns a text with places in the file that its author wrote, if that was in TypeScript.
func (m *Module) inTypeScript(text string) string {
	if m.places == nil || !strings.Contains(text, m.script.Name) {
		return text
	}
	return m.places().Replace(text)
}

// engine returns an instance of the JavaScript engine, for a call.
func (inst *instance) engine(ctx context.Context, c *call) quickjs.Guest {
	within := withCall(ctx, c)
	return quickjs.Guest{
		Memory: inst.guest.Memory().Read,
		Call: func(name string, stack []uint64) error {
			f, err := inst.export(name)
			if f == nil && err == nil {
				err = errors.New("the JavaScript engine has no export " + name)
			}
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			return inst.step(within, c, f, stack)
		},
	}
}
