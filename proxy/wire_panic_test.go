package proxy_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/authflow"
)

// TestWirePanic runs a server without a connector registry, so that handlers panic.
func TestWirePanic(t *testing.T) {
	ms, err := manifest.Parse(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer // read after the server has ended
	s, err := proxy.New(proxy.Config{Flows: &authflow.Flows{}, Manifests: func() *manifest.Set { return ms }, Metrics: proxy.NewMetrics(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	client := &http.Client{Transport: &http.Transport{}}
	get := func(path string) (*http.Response, string) {
		resp, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	var id string
	t.Run("7.12 a panic", func(t *testing.T) {
		resp, body := get("/implementedInterfaces?platform=acme")
		id = resp.Header.Get("X-Request-Id")
		var e struct{ Error string }
		if err := json.Unmarshal([]byte(body), &e); err != nil || resp.StatusCode != 500 || id == "" || e.Error != "internal error, request "+id {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("headers %v", resp.Header)
		}
	})
	t.Run("7.12 the process goes on", func(t *testing.T) {
		if resp, body := get("/isAlive"); resp.StatusCode != 200 || body != "OK" {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	})
	client.CloseIdleConnections()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "request_id="+id) || !strings.Contains(log.String(), "connector.Registry.Interfaces") {
		t.Errorf("the log does not say where it happened: %s", &log)
	}
}
