package proxy

import (
	"context"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/crmgate/crmgate"
)

// Metrics are the Prometheus metrics of the server. Its methods are passed to the packages that count something. They are
// safe for concurrent use. Labels come from the route table, the connectors folder and fixed words, never from clients.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	flows    *prometheus.CounterVec
	held     *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	audit    *prometheus.CounterVec
	egress   *prometheus.HistogramVec
	guests   *prometheus.HistogramVec
	waiting  *prometheus.GaugeVec
	leftOut  *prometheus.GaugeVec
	kept     *prometheus.GaugeVec
	reloads  *prometheus.CounterVec

	mu    sync.Mutex
	notes []string // lines of /readyz, sorted; guarded by mu
}

// NewMetrics returns metrics with a registry of their own.
func NewMetrics() *Metrics {
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmgate_requests_total", Help: "Requests answered."}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "crmgate_request_seconds", Help: "Time to answer.", Buckets: buckets}, []string{"route"}),
		flows:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmgate_flows_total", Help: "Sign-ins, logouts and revocations, by how they ended."}, []string{"flow", "platform", "outcome"}),
		held:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmgate_callbacks_held_total", Help: "Callbacks without a bound state that were answered with 503, because the CRM had refused too many codes."}, []string{"platform"}),
		tokens:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmgate_token_requests_total", Help: "Exchanges, refreshes and revocations, by how they ended."}, []string{"kind", "platform", "outcome"}),
		audit:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmgate_audit_entries_total", Help: "Events of the audit log: written, counted as repeats, left out because there were too many, or failed to be written."}, []string{"kind", "outcome"}),
		egress:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "crmgate_egress_seconds", Help: "Outbound requests, by who made them and how they ended.", Buckets: buckets}, []string{"name", "outcome"}),
		guests:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "crmgate_connector_seconds", Help: "Calls into connectors.", Buckets: buckets}, []string{"platform", "operation", "outcome"}),
		waiting:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "crmgate_revocations_waiting", Help: "Deleted grants that are still to be revoked at the CRM."}, []string{"platform"}),
		leftOut:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "crmgate_platforms_left_out", Help: "1 for a platform that is not served, because its manifest or module is wrong, or its settings cannot be read."}, []string{"platform"}),
	}
	m.kept = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "crmgate_platforms_kept", Help: "1 for a platform whose connector is the one before: the new one was not accepted."}, []string{"platform"})
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crmgate_reloads_total", Help: "Reloads of the connectors: ok, incomplete (a platform was left out or kept) or failed (nothing changed)."}, []string{"outcome"})
	m.registry.MustRegister(m.waiting, m.leftOut, m.kept, m.reloads, m.requests, m.duration, m.flows, m.held, m.tokens, m.audit, m.egress, m.guests,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// request counts an answered request.
func (m *Metrics) request(route string, status int, d time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(d.Seconds())
}

// Flow counts a sign-in, logout or revocation.
func (m *Metrics) Flow(flow string, platform crmgate.Platform, outcome string) {
	m.flows.WithLabelValues(flow, string(platform), outcome).Inc()
}

// Held counts a callback that was not tried.
func (m *Metrics) Held(platform crmgate.Platform) { m.held.WithLabelValues(string(platform)).Inc() }

// Waiting sets the number of a platform's grants that are to be revoked.
func (m *Metrics) Waiting(platform crmgate.Platform, n int) {
	m.waiting.WithLabelValues(string(platform)).Set(float64(n))
}

// Platforms shows which platforms are not served, and which are served by the connector before, and why. It replaces what was shown.
func (m *Metrics) Platforms(leftOut, kept map[crmgate.Platform]error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes = nil
	m.show(m.leftOut, leftOut, " is left out: ")
	m.show(m.kept, kept, " has a new connector that is not used, and the one before runs: ")
	slices.Sort(m.notes)
}

// show sets a gauge, and adds notes. m.mu is locked.
func (m *Metrics) show(gauge *prometheus.GaugeVec, platforms map[crmgate.Platform]error, what string) {
	gauge.Reset()
	for p, why := range platforms {
		name := strings.ToValidUTF8(string(p), "\uFFFD") // of a file
		gauge.WithLabelValues(name).Set(1)
		m.notes = append(m.notes, name+what+strings.ReplaceAll(why.Error(), "\n", " "))
	}
}

// Reload counts a reload of the connectors.
func (m *Metrics) Reload(outcome string) { m.reloads.WithLabelValues(outcome).Inc() }

// Token counts a token request.
func (m *Metrics) Token(kind string, platform crmgate.Platform, outcome string) {
	m.tokens.WithLabelValues(kind, string(platform), outcome).Inc()
}

// Audit counts an entry of the audit log.
func (m *Metrics) Audit(kind, outcome string) { m.audit.WithLabelValues(kind, outcome).Inc() }

// Refreshing registers the gauge of running refreshes, which count returns.
func (m *Metrics) Refreshing(count func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "crmgate_refreshes_running", Help: "Running refreshes in this process."},
		func() float64 { return float64(count()) }))
}

// Polling registers the gauge of waiting polls, which count returns.
func (m *Metrics) Polling(count func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "crmgate_auth_session_polls", Help: "Clients that poll for a sign-in.",
	}, func() float64 { return float64(count()) }))
}

// People registers the gauge of people by platform and state, which count returns. A scrape calls count at most every ten
// seconds, and so rarely that it uses at most a fiftieth of the time.
func (m *Metrics) People(count func(context.Context) (map[crmgate.Platform]map[string]int, error)) {
	m.registry.MustRegister(&collector{desc: peopleMetric, count: count})
}

// Journal registers the gauge of kept token answers by platform and kind, which count returns. A scrape calls count as rarely as
// that of People.
func (m *Metrics) Journal(count func(context.Context) (map[crmgate.Platform]map[string]int, error)) {
	m.registry.MustRegister(&collector{desc: journalMetric, count: count})
}

// Disk registers the gauge of free bytes on the disk of the database, which free returns.
func (m *Metrics) Disk(free func() (uint64, error)) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "crmgate_disk_free_bytes", Help: "Free space on the disk of the database; NaN if it cannot be read."}, func() float64 {
		n, err := free()
		if err != nil {
			return math.NaN()
		}
		return float64(n)
	}))
}

// Build registers the gauge that names the version, the commit and the Go version of the program.
func (m *Metrics) Build(version string) {
	labels := prometheus.Labels{"version": version, "revision": "", "goversion": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				labels["revision"] = s.Value
			}
		}
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "crmgate_build_info", Help: "1, with the version and the commit that the program was built from.", ConstLabels: labels})
	build.Set(1)
	m.registry.MustRegister(build)
}

var peopleMetric = prometheus.NewDesc("crmgate_people", "People who have signed in, by state: active, needs_login (the CRM has ended the grant, or has refused it for a day, or the application was replaced or removed), paused (the CRM rejects the application), logged_out.",
	[]string{"platform", "state"}, nil)

var journalMetric = prometheus.NewDesc("crmgate_journal_entries", "Token answers that are kept because they could not be read or stored, by kind: refresh, sign-in, damaged.",
	[]string{"platform", "kind"}, nil)

// collector collects a metric whose values are counted when it is read.
type collector struct {
	desc  *prometheus.Desc
	count func(context.Context) (map[crmgate.Platform]map[string]int, error)

	mu     sync.Mutex
	latest map[crmgate.Platform]map[string]int // guarded by mu
	again  time.Time                           // the earliest time of the next count; guarded by mu
}

// Describe sends the description of the metric.
func (c *collector) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect counts if it is time, and sends the latest counts. It ignores errors, so that an unreadable record or a closed
// store does not hide the other metrics.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if began := time.Now(); !began.Before(c.again) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c.latest, _ = c.count(ctx)
		c.again = time.Now().Add(max(10*time.Second, 50*time.Since(began)))
	}
	for platform, kinds := range c.latest {
		for kind, n := range kinds {
			to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), string(platform), kind)
		}
	}
}

// Egress counts an outbound request.
func (m *Metrics) Egress(name, outcome string, d time.Duration) {
	m.egress.WithLabelValues(name, outcome).Observe(d.Seconds())
}

// Guest counts a call into a connector.
func (m *Metrics) Guest(platform crmgate.Platform, operation, outcome string, d time.Duration) {
	m.guests.WithLabelValues(string(platform), operation, outcome).Observe(d.Seconds())
}

// Operator returns the handler of the admin listener: /metrics; /healthz, which always answers 200; and /readyz, which calls
// ready and lists the platforms that are left out or kept.
func (m *Metrics) Operator(ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		m.mu.Lock()
		lines := append([]string{"ready"}, m.notes...)
		m.mu.Unlock()
		_, _ = w.Write([]byte(strings.Join(lines, "\n") + "\n"))
	})
	return mux
}
