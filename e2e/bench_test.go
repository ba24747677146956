package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// BenchmarkProgram measures the program in its own process, on one core if taskset is available. The load comes from the
// test process. It first measures bare fasthttp in the same way, as the upper limit.
//
//	share        requests a second, as a share of bare fasthttp's
//	cpu-µs/req   CPU time of the server process for a request
func BenchmarkProgram(b *testing.B) {
	const spell = 3 * time.Second
	crm := httptest.NewServer(practicecrm.New(practicecrm.Config{}))
	defer crm.Close()
	dir := edgetest.Folder(b, strings.TrimPrefix(crm.URL, "http://"), nil)

	bare := startProcess(b, os.Args[0], []string{"CRMGATE_BARE=1"})
	limit := load(b, bare, "GET /hostname HTTP/1.1\r\nHost: x\r\n\r\n", spell)
	bare.kill()
	data := filepath.Join(b.TempDir(), "data")
	args := []string{"serve", "--listen=127.0.0.1:0", "--admin-listen=", "--data", data, "--connectors", dir,
		"--allow-egress=127.0.0.0/8", "--ringcentral-url", crm.URL}
	env := []string{"PRACTICE_URL=" + crm.URL, "PRACTICEKEY_URL=" + crm.URL, "PRACTICE_CLIENT_SECRET=" + practicecrm.ClientSecret}
	startProcess(b, edgetest.Program(), env, args...).kill() // fills the cache
	p := startProcess(b, edgetest.Program(), env, args...)
	defer p.kill()
	idle := anonymous(b, p.cmd)

	person := edgetest.Person{URL: "http://" + p.addr, Client: edgetest.NewClient(b)}
	token, err := person.OAuth(b.Context(), "ada")
	if err != nil {
		b.Fatal(err)
	}
	oneConnector := anonymous(b, p.cmd)
	if _, err := person.APIKey(b.Context()); err != nil {
		b.Fatal(err)
	}
	twoConnectors := anonymous(b, p.cmd)

	b.Run("session", func(b *testing.B) {
		r := load(b, p, "GET /hostname HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\n\r\n", spell)
		report(b, r)
		b.ReportMetric(r.perSecond/limit.perSecond, "share")
		b.ReportMetric(limit.perSecond, "fasthttp-req/s")
	})
	b.Run("apiKeyLogin", func(b *testing.B) {
		body := `{"platform":"practicekey","apiKey":"` + practicecrm.APIKey + `"}`
		report(b, load(b, p, fmt.Sprintf("POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body), spell))
	})
	b.Run("authUrl", func(b *testing.B) {
		report(b, load(b, p, "GET /authUrl?platform=practice&mode=bound HTTP/1.1\r\nHost: x\r\n\r\n", spell))
	})
	b.Run("authUrlAndCallback", func(b *testing.B) {
		report(b, p.during(spell, 8, func() error { _, err := person.OAuth(context.Background(), "ada"); return err }))
	})
	b.Run("footprint", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(p.ready.Milliseconds()), "ms-to-ready")
		b.ReportMetric(idle, "MB-idle")
		b.ReportMetric(max(oneConnector, twoConnectors)-idle, "MB-two-connectors")
		fi, err := os.Stat(edgetest.Program())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(fi.Size())/1e6, "MB-binary")
	})
}

// serveBare is the child process that serves bare fasthttp, with the same headers and the same number of bytes.
func serveBare() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stderr, `{"msg":"ready","listen":%q}`+"\n", l.Addr())
	s := fasthttp.Server{NoDefaultServerHeader: true, Handler: func(c *fasthttp.RequestCtx) { c.SetContentType("text/html; charset=utf-8") }}
	_ = s.Serve(l) // until it is killed
}

// process is a server under load.
type process struct {
	cmd   *exec.Cmd
	addr  string
	ready time.Duration
}

func startProcess(b *testing.B, binary string, env []string, args ...string) *process {
	b.Helper()
	if taskset, err := exec.LookPath("taskset"); err == nil {
		binary, args = taskset, append([]string{"-c", "0", binary}, args...)
	}
	p := &process{cmd: exec.Command(binary, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	out, err := p.cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), `"listen":"`); ok {
			p.addr, _, _ = strings.Cut(rest, `"`)
			p.ready = time.Since(began)
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
			return p
		}
	}
	b.Fatal("the server did not become ready")
	return nil
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu returns the CPU time used so far.
func (p *process) cpu() time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	ticks := 0
	for _, s := range f[11:13] { // utime, stime: a hundred a second
		n, _ := strconv.Atoi(s)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

type result struct{ perSecond, cpuMicros float64 }

func report(b *testing.B, r result) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(r.perSecond, "req/s")
	b.ReportMetric(r.cpuMicros, "cpu-µs/req")
}

// during calls do repeatedly from many goroutines for some time.
func (p *process) during(spell time.Duration, callers int, do func() error) result {
	var n atomic.Int64
	var wg sync.WaitGroup
	cpu, began := p.cpu(), time.Now()
	for range callers {
		wg.Go(func() {
			for time.Since(began) < spell {
				if do() != nil {
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	return result{float64(n.Load()) / took.Seconds(), float64((p.cpu() - cpu).Microseconds()) / float64(n.Load())}
}

// load repeats one request over 64 connections.
func load(b *testing.B, p *process, request string, spell time.Duration) result {
	b.Helper()
	conns := make(chan *bufio.ReadWriter, 64)
	for range cap(conns) {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns <- bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
	}
	var failed atomic.Pointer[string]
	r := p.during(spell, cap(conns), func() error {
		c := <-conns
		defer func() { conns <- c }()
		_, _ = c.WriteString(request)
		_ = c.Flush()
		var resp fasthttp.Response
		err := resp.Read(c.Reader)
		if err == nil && resp.StatusCode() != 200 {
			s := resp.String()
			failed.Store(&s)
			err = errors.New("refused")
		}
		return err
	})
	if s := failed.Load(); s != nil {
		b.Fatal(*s)
	}
	return r
}
