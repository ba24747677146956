package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

const (
	guestDeadline = 10 * time.Second // for a call into a connector: wasmhost's default
	restTime      = 10 * time.Second // between the end of an attack and the last measurement
)

// attackLimits limit how much an attack may affect other people.
type attackLimits struct {
	check, over, exit time.Duration // for a session check; for a hostile call beyond its deadline; from SIGTERM until the program ends
	load              time.Duration // until a connector is refused
	memory            float64       // MB
}

// patience limits how long hostile calls run, and how long the program takes to end.
func patience() time.Duration {
	if soak() {
		return guestDeadline + 20*time.Second
	}
	return inTime
}

// limitsHere returns the limits of the long form. They are wider under the race detector, since other packages' tests then
// usually run at the same time. The program under attack is always built without the race detector.
func limitsHere() attackLimits {
	l := attackLimits{check: 500 * time.Millisecond, over: 200 * time.Millisecond, exit: 2 * time.Second, load: time.Second, memory: 250}
	info, _ := debug.ReadBuildInfo()
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		l.check, l.over, l.load, l.memory = 2*time.Second, 3*time.Second, 5*time.Second, 350
	}
	return l
}

// attackFigures are the measurements of an attack.
type attackFigures struct {
	checks      int
	check       time.Duration  // the longest wait of a session check
	over        time.Duration  // from the deadline until the last hostile call ended; negative if all calls ended before it
	peak, later float64        // MB of the server process: at most, and after restTime
	exit        time.Duration  // from SIGTERM until the program had ended
	answers     map[string]int // of the hostile calls
	wrong       []string
}

func (f *attackFigures) String() string {
	return fmt.Sprintf("session check at most %v of %d, calls ended %+.2f s after their deadline, at most %.0f MB, %.0f MB after %v, ended %v after SIGTERM",
		f.check.Round(time.Millisecond), f.checks, f.over.Seconds(), f.peak, f.later, restTime, f.exit.Round(time.Millisecond))
}

// faults returns the failures that do not depend on time.
func (f *attackFigures) faults() []string {
	wrong := slices.Clone(f.wrong)
	for answer := range f.answers {
		if !strings.Contains(answer, "hostile") || !strings.Contains(answer, "getUserInfo") {
			wrong = append(wrong, fmt.Sprintf("a hostile call was answered %s, want an error that names the connector and the operation", answer))
		}
	}
	return wrong
}

// exceed adds the exceeded limits.
func (f *attackFigures) exceed(l attackLimits) []string {
	wrong := f.faults()
	note := func(bad bool, format string, a ...any) {
		if bad {
			wrong = append(wrong, fmt.Sprintf(format, a...))
		}
	}
	note(f.check > l.check, "a session check took %v, want at most %v", f.check, l.check)
	note(f.over > l.over, "a hostile call ended %v after its deadline, want at most %v", f.over, l.over)
	note(f.peak > l.memory, "%.0f MB, want at most %.0f", f.peak, l.memory)
	note(f.exit > l.exit, "the program ended %v after SIGTERM, want at most %v", f.exit, l.exit)
	return wrong
}

// TestAttack calls each hostile connector once, half of them at a time, while it checks a legitimate session.
func TestAttack(t *testing.T) {
	if soak() {
		t.Skip("TestAttackMeasured runs the same attacks")
	}
	for _, a := range atOnce(attacks()) {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := newStrike(t, a)
			s.run()
			s.rest(0)
			t.Log(&s.figures)
			for _, fault := range s.figures.faults() {
				t.Error(fault)
			}
		})
	}
}

// TestAttackMeasured measures each attack. An attack that exceeds a limit runs once more, since the machine may have been
// busy. Then the second run counts.
func TestAttackMeasured(t *testing.T) {
	if !soak() {
		t.Skip("CRMGATE_SOAK is not 1")
	}
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			s := newStrike(t, a)
			s.run()
			if wrong := s.figures.exceed(limitsHere()); wrong != nil {
				t.Logf("repeating the attack: %q", wrong)
				s.kill()
				s = newStrike(t, a)
				s.run()
			}
			rested := make(chan struct{})
			go func() {
				s.rest(restTime)
				close(rested)
			}()
			t.Parallel() // the next attack begins while this program rests
			<-rested
			t.Log(&s.figures)
			t.Log(s.figures.answers)
			for _, wrong := range s.figures.exceed(limitsHere()) {
				t.Error(wrong)
			}
		})
	}
}

// BenchmarkAttack reports the measurements of attacks.
//
//	s-check      longest wait of a legitimate session check
//	s-over       from the deadline of the hostile calls until the last one ended
//	MB-peak      memory of the server process at most
//	MB-after     and 10 s later
//	s-exit       from SIGTERM until the program had ended
func BenchmarkAttack(b *testing.B) {
	for _, a := range attacks() {
		b.Run(a.name, func(b *testing.B) {
			s := newStrike(b, a)
			s.run()
			s.rest(restTime)
			f := &s.figures
			for _, wrong := range f.wrong {
				b.Error(wrong)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(f.check.Seconds(), "s-check")
			b.ReportMetric(f.over.Seconds(), "s-over")
			b.ReportMetric(f.peak, "MB-peak")
			b.ReportMetric(f.later, "MB-after")
			b.ReportMetric(f.exit.Seconds(), "s-exit")
		})
	}
}

// strike is an attack on its own process of the program.
type strike struct {
	*victim
	attack
	token string // of a legitimate person

	mu      sync.Mutex
	figures attackFigures // answers is guarded by mu
}

// newStrike starts a program of two processors with the practice connectors and the attack's, and signs a person in.
func newStrike(t testing.TB, a attack) *strike {
	t.Helper()
	s := &strike{victim: newVictim(t, practicecrm.New(practicecrm.Config{})), attack: a, figures: attackFigures{answers: map[string]int{}}}
	for i, m := range a.guests {
		putConnector(t, s.connectors, platformOf(i), m)
	}
	s.env = []string{"GOMAXPROCS=2"}
	s.start(t)
	token, err := s.APIKey(context.Background())
	edgetest.Must(t, err)
	s.token = token
	return s
}

func platformOf(guest int) string { return "hostile" + string(rune('a'+guest)) }

// putConnector puts a connector of type apiKey into a folder.
func putConnector(t testing.TB, dir, name string, m wasmtest.Module) {
	t.Helper()
	manifest := `{"platforms": {"` + name + `": {"auth": {"type": "apiKey"}}}}`
	edgetest.Must(t, os.WriteFile(filepath.Join(dir, name+".wasm"), m.Bytes(), 0o600))
	edgetest.Must(t, os.WriteFile(filepath.Join(dir, name+".json"), []byte(manifest), 0o600))
}

// run calls the hostile connectors and returns when the last call ends, or after patience.
func (s *strike) run() {
	ctx, end := context.WithTimeout(context.Background(), patience())
	defer end()
	began := time.Now()
	var calls, honest sync.WaitGroup
	for i := range max(s.calls, 2) {
		calls.Go(func() { s.call(ctx, platformOf(i%len(s.guests))) })
	}
	called, stop := context.WithCancel(ctx)
	honest.Go(func() { s.watch(called) })
	calls.Wait()
	s.figures.over = time.Since(began) - guestDeadline
	stop()
	honest.Wait()
	if ctx.Err() != nil {
		s.figures.wrong = append(s.figures.wrong, fmt.Sprintf("hostile calls went on after %v", patience()))
	}
	s.figures.peak = s.memory("VmHWM")
}

// call signs in with a hostile connector.
func (s *strike) call(ctx context.Context, platform string) {
	status, body := s.send(ctx, "POST", "/apiKeyLogin", `{"platform":"`+platform+`","apiKey":"x"}`)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures.answers[fmt.Sprintf("%d %s", status, body)]++
}

// watch checks the legitimate person's session every 10 ms until the context ends, and records the longest wait.
func (s *strike) watch(ctx context.Context) {
	f := &s.figures
	for ; ctx.Err() == nil; f.checks++ {
		asked := time.Now()
		status, body := s.send(ctx, "GET", "/hostname", "")
		f.check = max(f.check, time.Since(asked))
		if status != 200 && ctx.Err() == nil {
			f.wrong = append(f.wrong, fmt.Sprintf("a session check was answered %d %s", status, body))
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// send sends a request with a longer timeout than the victim's client. Without an answer the status is 0 and the body is
// the error.
func (s *strike) send(ctx context.Context, method, path, body string) (status int, answer string) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := (&http.Client{Transport: s.Client.Transport}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// rest waits, measures the program and ends it.
func (s *strike) rest(d time.Duration) {
	f := &s.figures
	if f.wrong == nil {
		<-time.After(d)
	}
	f.later = s.memory("VmRSS")
	ctx, end := context.WithTimeout(context.Background(), patience())
	defer end()
	if status, body := s.send(ctx, "GET", "/hostname", ""); status != 200 {
		f.wrong = append(f.wrong, fmt.Sprintf("afterwards, a session check was answered %d %s", status, body))
	}
	began := time.Now()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience(), func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	if err := s.cmd.Wait(); err != nil {
		f.wrong = append(f.wrong, "after SIGTERM: "+err.Error())
	}
	f.exit = time.Since(began)
}

func (s *strike) memory(field string) float64 {
	mb, err := memory(s.cmd, field)
	if err != nil {
		s.figures.wrong = append(s.figures.wrong, "memory: "+err.Error())
	}
	return mb
}

// TestAttackAtLoad: the program refuses to load hostile modules.
func TestAttackAtLoad(t *testing.T) {
	t.Parallel()
	for name, m := range loadAttacks() {
		t.Run(name, func(t *testing.T) {
			if !soak() { // soak measures, so the attacks run one after the other
				t.Parallel()
			}
			dir := t.TempDir()
			putConnector(t, dir, name, m)
			wasm := filepath.Join(dir, name+".wasm")
			refused(t, name, "check", wasm)
			refused(t, name+".wasm", "serve", "--strict", "--listen=127.0.0.1:0", "--admin-listen=", "--data", filepath.Join(dir, "data"), "--connectors", dir)
		})
	}
}

// refused runs the program and expects an error that contains want.
func refused(t *testing.T, want string, args ...string) {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), patience())
	defer end()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, edgetest.Program(), args...) // killed when the time is up
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	edgetest.Must(t, cmd.Start())
	peak := 0.0
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(10 * time.Millisecond):
			if mb, err := memory(cmd, "VmHWM"); err == nil {
				peak = max(peak, mb)
			}
		}
	}
	took := time.Since(began)
	said := strings.TrimSpace(out.String())
	t.Logf("%s: %v after %v, at most %.0f MB: %s", args[0], err, took.Round(time.Millisecond), peak, said)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(said, want) {
		t.Errorf("%s: %v; want an error that contains %s", args[0], err, want)
	}
	if limit := limitsHere(); soak() && (took > limit.load || peak > limit.memory) {
		t.Errorf("%s took %v and %.0f MB, want at most %v and %.0f MB", args[0], took, peak, limit.load, limit.memory)
	}
}
