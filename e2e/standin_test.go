package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// roots is the certificate of the stand-ins. TestMain makes it; the tests only read it.
var roots tls.Certificate

// standInHosts are the hosts that a standIn can play.
var standInHosts = []string{"app.clio.com", "eu.app.clio.com", "au.app.clio.com", "ca.app.clio.com", "api.insightly.com", "api.na1.insightly.com",
	"acme.example", "api.keyed.example",
	"oauth.pipedrive.com", "api.pipedrive.com", "acme.pipedrive.com", "acme.freshdesk.com", "smf.crm3.redtailtechnology.com",
	"accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com", "marketplace.leadconnectorhq.com", "services.leadconnectorhq.com",
	"system.netsuite.com", "1234567-sb1.suitetalk.api.netsuite.com", "1234567-sb1.restlets.api.netsuite.com",
	"auth.servicetitan.io", "api.servicetitan.io",
	"api.capsulecrm.com", "login.salesforce.com", "acme.my.salesforce.com", "acme.zendesk.com", "accounts.zoho.eu", "www.zohoapis.eu",
	"rest.bullhornstaffing.com", "auth.bullhornstaffing.com", "auth-east.bullhornstaffing.com", "rest32.bullhornstaffing.com"}

// trustStandIns makes a certificate for the stand-ins. This process trusts it by SSL_CERT_FILE, like an operator's. TestMain
// calls it, since Go reads that file once, at the first handshake.
func trustStandIns(dir string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "crmgate's tests"}, DNSNames: standInHosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		panic(err)
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// standIn plays CRMs under their own names, over TLS. It records the requests. Safe for concurrent use.
type standIn struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string                    // guarded by mu
	moods map[string]http.HandlerFunc // by path, instead of the CRM; guarded by mu
}

func newStandIn(t *testing.T, crm http.Handler) *standIn {
	t.Helper()
	s := &standIn{moods: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.mu.Lock()
		s.asked = append(s.asked, dump(r, body))
		mood := s.moods[r.URL.Path]
		s.mu.Unlock()
		if mood != nil {
			mood(w, r)
			return
		}
		crm.ServeHTTP(w, r)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{roots}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// dump returns a request as text, without the headers that the transport adds.
func dump(r *http.Request, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s https://%s%s\n", r.Method, r.Host, r.RequestURI)
	var lines []string
	for name, values := range r.Header {
		if name != "User-Agent" && name != "Accept-Encoding" && name != "Content-Length" {
			lines = append(lines, name+": "+strings.Join(values, ", ")+"\n")
		}
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, "") + string(body))
	return strings.TrimSuffix(b.String(), "\n")
}

// reached makes a server connect to the stand-in under the hosts' names.
func (s *standIn) reached(f *edgetest.Options) {
	for _, host := range standInHosts {
		f.Resolve = append(f.Resolve, host+":443:"+s.Listener.Addr().String())
	}
}

// take returns the requests since the last call and forgets them.
func (s *standIn) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// want checks the requests since the last call of want or take.
func (s *standIn) want(t *testing.T, requests ...string) {
	t.Helper()
	wantRequests(t, s.take(), requests...)
}

func wantRequests(t *testing.T, asked []string, want ...string) {
	t.Helper()
	if !slices.Equal(asked, want) {
		t.Errorf("the CRM was asked\n%s\n\nwant\n%s", strings.Join(asked, "\n\n"), strings.Join(want, "\n\n"))
	}
}

// setMood makes h answer for a path; nil restores the CRM.
func (s *standIn) setMood(path string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moods[path] = h
}

// browse opens a URL of a CRM like a browser, and returns the URL of the redirect.
func (s *standIn) browse(t *testing.T, url string) string {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	edgetest.Must(t, err)
	resp, err := transport.RoundTrip(req)
	edgetest.Must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		t.Fatalf("%s: %s", url, resp.Status)
	}
	return resp.Header.Get("Location")
}

// says is the mood of a CRM with a fixed answer.
func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// cut is the mood of a CRM that closes the connection in the middle of an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"data":{"id":4`)
	panic(http.ErrAbortHandler)
}
