package wasmhost

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/mask"
	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// Replayed is what a replay of a recording has shown.
type Replayed struct {
	End         recording.End          // how the call ended this time
	Same        bool                   // it ended as recorded
	Mended      bool                   // it did not fail
	OtherModule bool                   // the module is not the one that was recorded
	Log         []recording.Line       // what the guest logged
	Fetches     []recording.Fetch      // what it requested this time, with the recorded answers
	Derived     []recording.Derivation // what it derived this time, as recorded
	Differences []string               // what it requested otherwise than recorded
	Stack       []string               // the functions that ran when it was stopped, the innermost first
	Nameless    bool                   // the module was stripped, so that Stack has only the names of exports
}

// ReplayConfig configures Replay.
type ReplayConfig struct {
	CacheDir  string // as Config.CacheDir; required
	Processes int    // as Config.Processes
	Memory    int64  // as Config.Memory
}

// Replay runs a recorded call again, on a module that may be another build than the recorded one. The guest gets the recorded answers,
// configuration, clock and random bytes, and reaches no network. The same recording and module always give the same result. The error is about
// the module or this system; a guest that fails is not an error.
func Replay(ctx context.Context, r *recording.Recording, code Code, c ReplayConfig) (*Replayed, error) {
	m := &module{path: code.File, sum: sha256.Sum256(code.Content), manifest: &manifest.Manifest{Platform: r.Platform, Sends: map[string]manifest.Send{}}}
	for _, v := range r.Config {
		m.manifest.Config = append(m.manifest.Config, v.Name)
		if v.Later {
			m.manifest.Handles, m.manifest.Sends[v.Name] = true, manifest.Send{}
		}
	}
	host, err := New(ctx, Config{
		CacheDir: c.CacheDir, Processes: c.Processes, Memory: c.Memory, Deadline: r.Deadline, Logger: slog.New(slog.DiscardHandler),
		Setting: func(string) (s crmgate.Secret, ok bool) { return s, false },
		Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
			return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: "a replay has no network"}
		},
	})
	if err != nil {
		return nil, err
	}
	m.host = host
	wasm, script, err := m.code(ctx, code.Content)
	if err != nil {
		return nil, err
	}
	names, err := meter.ReadNames(wasm)
	if err != nil {
		return nil, err
	}
	on, err := m.openApart(ctx, wasm)
	if err != nil {
		return nil, err
	}
	defer on.Close()
	out := &Replayed{OtherModule: hex.EncodeToString(m.sum[:]) != r.Module, Nameless: !names.Section}
	p := &player{r: r, script: script, out: out, used: make([]bool, len(r.Fetches)), derived: make([]bool, len(r.Derived))}
	world := p.run(ctx, on, &call{module: m, operation: r.Operation})
	out.Stack = namedStack(world.Stack, names)
	out.Same, out.Mended = out.End.Same(r.End), !out.End.Failed()
	return out, ctx.Err()
}

// player is the guest.Host of a replay.
type player struct {
	r       *recording.Recording
	script  *guest.Script // nil for a WebAssembly module
	out     *Replayed
	used    []bool // the recorded fetches that were answered
	derived []bool // the recorded derivations that were used
	begun   bool   // the initialization is over, whose log is not recorded
}

// run runs the recorded call, and returns its world.
func (p *player) run(ctx context.Context, on runner, c *call) *guest.World {
	start, world := p.r.Start, p.r.Call
	start.Replay, world.Replay = true, true
	if p.script != nil {
		p.script.Env = c.module.envAtLoad(ctx, p)
	}
	if _, err := on.Start(guest.WithWorld(ctx, &start), p, p.script); err != nil {
		p.out.End, _ = c.endOf(guest.Result{}, err)
		p.out.End.Reason = cmp.Or(p.out.End.Reason, "could not be started: "+err.Error())
		return &start
	}
	p.begun = true
	ctx, ended := context.WithTimeout(ctx, c.module.host.Deadline)
	defer ended()
	world.Stack = ""
	result, err := on.Run(guest.WithWorld(ctx, &world), guest.Call{
		Operation: c.operation, Input: []byte(p.r.Input), Env: c.module.env(ctx, p, c), Host: p,
	})
	p.out.End, _ = c.endOf(result, err)
	for i, used := range p.used {
		if !used {
			p.differ("it does not make the recorded fetch %d", i+1)
		}
	}
	return &world
}

func (p *player) differ(format string, args ...any) {
	p.out.Differences = append(p.out.Differences, fmt.Sprintf(format, args...))
}

// Log implements guest.Host.
func (p *player) Log(_ context.Context, level slog.Level, line []byte) {
	if p.begun {
		p.out.Log = append(p.out.Log, recording.Line{Level: level, Text: validText(line)})
	}
}

// Config implements guest.Host.
func (p *player) Config(_ context.Context, name []byte) (string, bool) {
	for _, v := range p.r.Config {
		if v.Name == validText(name) {
			return v.Value, v.Set
		}
	}
	p.differ("it asks for the configuration value %s, which was not recorded and is not set", crmgate.Clip(validText(name)))
	return "", false
}

// Derive implements guest.Host.
func (p *player) Derive(_ context.Context, request []byte) (string, bool) {
	for i, d := range p.r.Derived {
		if !p.derived[i] && d.Request == validText(request) {
			p.derived[i] = true
			if d.OK {
				p.out.Derived = append(p.out.Derived, d)
			}
			return d.Handle, d.OK
		}
	}
	p.differ("it derives a value that was not recorded")
	return "", false
}

// Fetch implements guest.Host. It answers a request like a recorded one with the same method and URL: the first that is left.
func (p *player) Fetch(ctx context.Context, doc []byte) []byte {
	request := validText(doc)
	n := len(p.out.Fetches) + 1
	for i, f := range p.r.Fetches {
		if p.used[i] || !sameTarget(f.Request, request) {
			continue
		}
		p.used[i] = true
		if what := differs(f.Request, request); what != "" {
			p.differ("fetch %d has another %s than recorded", n, what)
		}
		if f.Late {
			<-ctx.Done()
		}
		p.out.Fetches = append(p.out.Fetches, recording.Fetch{Request: request, Answer: f.Answer})
		return []byte(f.Answer)
	}
	p.differ("fetch %d, %s, was not recorded: it gets no answer", n, target(request))
	answer := encode(fetchFailure{fetchError{crmgate.FetchRefused, "the recording has no answer to this request"}})
	p.out.Fetches = append(p.out.Fetches, recording.Fetch{Request: request, Answer: string(answer)})
	return answer
}

// target names the method and the URL of a request.
func target(request string) string {
	r, err := parseFetch([]byte(request))
	if err != nil {
		return "a malformed request"
	}
	return cmp.Or(strings.ToUpper(r.Method), http.MethodGet) + " " + crmgate.Clip(r.URL)
}

// sameTarget reports whether two requests have the same method and URL. A handle is the same however it is encoded.
func sameTarget(a, b string) bool {
	x, err1 := parseFetch([]byte(a))
	y, err2 := parseFetch([]byte(b))
	if err1 != nil || err2 != nil {
		return a == b
	}
	return cmp.Or(strings.ToUpper(x.Method), http.MethodGet) == cmp.Or(strings.ToUpper(y.Method), http.MethodGet) && plainURL(x.URL) == plainURL(y.URL)
}

func plainURL(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// differs names the first part in which two requests with the same target differ; empty if they are equal. A part of the recorded one
// that is masked is not compared.
func differs(recorded, request string) string {
	x, err1 := parseFetch([]byte(recorded))
	y, err2 := parseFetch([]byte(request))
	if err1 != nil || err2 != nil {
		return ""
	}
	for name, v := range x.Headers {
		if other, ok := y.Headers[name]; !ok || other != v && !strings.Contains(v, mask.Masked) && !recording.SecretName(name) {
			return "header " + crmgate.Clip(name)
		}
	}
	body := func(r fetchRequest) string {
		if r.Body != nil {
			return *r.Body
		}
		return string(r.BodyBase64)
	}
	switch {
	case len(x.Headers) != len(y.Headers):
		return "set of headers"
	case body(x) != body(y) && !strings.Contains(body(x), mask.Masked) && !sameDocument(body(x), body(y)) && plainURL(body(x)) != plainURL(body(y)):
		return "body"
	case x.TimeoutMs != y.TimeoutMs:
		return "timeoutMs"
	}
	return ""
}

func sameDocument(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// indexed is a line of a stack that names a function by its index.
var indexed = regexp.MustCompile(`^\.\$(\d+)(\(.*)$`)

// namedStack returns the lines of a stack with the names of functions. A function of the host is named by its import.
func namedStack(stack string, names *meter.Names) (lines []string) {
	for line := range strings.Lines(stack) {
		line = strings.TrimSpace(line)
		if m := indexed.FindStringSubmatch(line); m != nil {
			if index, err := strconv.ParseUint(m[1], 10, 32); err == nil {
				line = names.Of(uint32(index)) + m[2]
			}
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Code is a connector's file.
type Code struct {
	File    string // its path, which ends in .wasm, .js or .ts
	Content []byte
}

// ReadCode reads a connector's file. Its ending may be left out.
func ReadCode(path string) (Code, error) {
	for _, ext := range extensions {
		if _, err := os.Stat(path + ext); err == nil {
			path += ext
			break
		}
	}
	b, err := readModule(path)
	if os.IsNotExist(err) {
		err = fmt.Errorf("%s not found", path)
	}
	return Code{path, b}, err
}
