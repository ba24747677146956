package proxy_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/sealed"
)

// manifests have a platform of each kind. Their hosts cannot be reached.
const manifests = `{"version":"1","author":{"name":"a"},"platforms":{
 "acme":{"auth":{"type":"oauth","oauth":{"authUrl":"https://acme.example/authorize","clientId":"id","redirectUri":"https://gate.example/redirect.html"}},"crmgate":{"hosts":["acme.example"]}},
 "keys":{"auth":{"type":"apiKey","apiKey":{"page":{"content":[{"const":"apiKey","required":true},{"const":"region","required":true}]}}}}}}`

// testConnector is a connector without a sandbox.
type testConnector struct {
	connector.Connector
	manifest *manifest.Manifest
}

func (c testConnector) Manifest() *manifest.Manifest         { return c.manifest }
func (c testConnector) Implements(name string) bool          { return name == "getUserInfo" }
func (c testConnector) AuthType() (manifest.AuthType, error) { return c.manifest.AuthType, nil }

func (c testConnector) OAuthInfo(context.Context, connector.OAuthInfoRequest) (connector.OAuthInfo, error) {
	return connector.OAuthInfo{Application: crmgate.Application{AccessTokenURI: "https://acme.example/token"}}, nil
}

func (c testConnector) BasicAuth(_ context.Context, key crmgate.Secret) (crmgate.Secret, error) {
	return key, nil
}

func (c testConnector) UserInfo(_ context.Context, r connector.UserInfoRequest) (connector.UserInfo, error) {
	return connector.UserInfo{Successful: r.APIKey.Reveal() == "right", ID: "1-keys", Name: "Ada"}, nil
}

// newServer makes a server over real flows and a store in memory. It logs to log.
func newServer(t testing.TB, log slog.Handler, change ...func(*proxy.Config)) *proxy.Server {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	logger := slog.New(log)
	engine, err := badger.Open(badger.Config{Logger: slog.New(slog.DiscardHandler)})
	must(err)
	t.Cleanup(func() { engine.Close() })
	ring, err := sealed.NewKeyRing()
	must(err)
	db, err := storage.Open(t.Context(), engine, ring, storage.Config{})
	must(err)
	ms, err := manifest.Parse(map[string][]byte{"manifest": []byte(manifests)}, "https://gate.example")
	must(err)
	if wrong := ms.LeftOut(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	find := func(_ context.Context, p crmgate.Platform) (connector.Connector, error) {
		if m, ok := ms.Platform(p); ok {
			return testConnector{manifest: m}, nil
		}
		return nil, crmgate.Refuse("Connector not found")
	}
	away := func(*http.Request, crmgate.Egress) (*http.Response, error) {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "away", Err: errors.New("away")}
	}
	services := proxytest.New(t, proxytest.Config{DB: db, Connectors: connector.Registry{Find: find}, Fetch: away, PublicURL: "https://gate.example", Logger: logger})
	config := proxy.Config{
		Flows: services.Flows, Sessions: services.Sessions, Orgs: services.Orgs, Settings: services.Settings,
		Manifests: func() *manifest.Set { return ms }, Metrics: proxy.NewMetrics(), Debug: true, Logger: logger,
	}
	for _, c := range change {
		c(&config)
	}
	s, err := proxy.New(config)
	must(err)
	return s
}
