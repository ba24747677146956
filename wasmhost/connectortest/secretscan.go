package connectortest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"

	"github.com/crmgate/crmgate"
)

// watch sees what a connector says and asks for, and looks for secrets in it. Safe for concurrent use.
type watch struct {
	mu         sync.Mutex
	during     string              // guarded by mu; the case that runs
	configured bool                // guarded by mu; whether configuration values are set
	forms      map[string][]string // guarded by mu; by a secret's name, the spellings to look for
	leaks      []leak              // guarded by mu
	undeclared []string            // guarded by mu; configuration values
	values     map[string]string   // guarded by mu; of the configuration
}

func newWatch() *watch { return &watch{forms: map[string][]string{}, values: map[string]string{}} }

// secret has the watch look for a value; the empty one is none.
func (w *watch) secret(name, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookFor(name, value)
}

// lookFor needs w.mu.
func (w *watch) lookFor(name, value string) {
	if value == "" {
		return
	}
	forms := []string{value, url.QueryEscape(value), hex.EncodeToString([]byte(value))}
	for _, before := range []string{"", "x", "xx"} { // base64 has three spellings of what stands within a text
		e := base64.StdEncoding.EncodeToString([]byte(before + value))
		if from, to := (len(before)*8+5)/6, (len(before)+len(value))*8/6; to-from >= 8 {
			forms = append(forms, e[from:to])
		}
	}
	const piece = 14 // of one that is cut
	if len(value) >= 2*piece {
		forms = append(forms, value[len(value)-piece:], value[len(value)-2*piece:len(value)-piece])
	}
	for _, f := range forms {
		w.forms[name] = append(w.forms[name], strings.ToLower(f))
	}
}

// at names the case that runs from now on.
func (w *watch) at(during string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.during = during
}

// see looks for secrets in a text that came out, and notes them.
func (w *watch) see(place, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text = strings.ToLower(text)
	for name, forms := range w.forms {
		for _, f := range forms {
			if strings.Contains(text, f) {
				w.note(name, place)
				break
			}
		}
	}
	// The host takes configuration values out by itself.
	if strings.Contains(text, "[secret]") {
		w.note("a configuration value", place)
	}
}

// leak is a secret in a place where it is seen.
type leak struct {
	secret, place string
	during        string // the first case that it was seen in
	times         int
}

func (l leak) String() string {
	s := fmt.Sprintf("%s is in %s (%s", l.secret, l.place, l.during)
	if l.times > 1 {
		s += fmt.Sprintf(", and %d times more", l.times-1)
	}
	return s + ")"
}

// note needs w.mu.
func (w *watch) note(secret, place string) {
	for i, l := range w.leaks {
		if l.secret == secret && l.place == place {
			w.leaks[i].times++
			return
		}
	}
	w.leaks = append(w.leaks, leak{secret, place, w.during, 1})
}

func (w *watch) found() (leaks, undeclared []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.leaks {
		leaks = append(leaks, l.String())
	}
	return leaks, w.undeclared
}

// The watch is where the host logs to.

// asks is how the host tells of a configuration value that the manifest does not declare.
const asks = "it asks for the configuration value "

func (w *watch) Enabled(context.Context, slog.Level) bool { return true }
func (w *watch) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w *watch) WithGroup(string) slog.Handler            { return w }

func (w *watch) Handle(_ context.Context, r slog.Record) error {
	w.see("a line of its log", r.Message)
	if rest, ok := strings.CutPrefix(r.Message, asks); ok {
		name, _, _ := strings.Cut(rest, ",")
		w.mu.Lock()
		defer w.mu.Unlock()
		w.undeclared = append(w.undeclared, name)
	}
	return nil
}

// look searches an answer for secrets where people and other programs see it. Some answers carry secrets by their nature.
func (w *watch) look(operation string, result int32, output []byte) {
	d := parseDoc(output)
	if result != 0 {
		w.see("the message of its error", d.text("message"))
		return
	}
	for _, member := range []string{"returnMessage", "failMessage", "user", "platformUserInfo"} {
		if d[member] == nil {
			continue
		}
		shown := d.object(member)
		if member == "platformUserInfo" {
			shown = shown.with("overridingApiKey", nil)
		}
		place := member
		if shown == nil {
			shown = doc{member: d[member]}
		} else if info := shown["platformAdditionalInfo"]; info != nil {
			w.see("platformAdditionalInfo", string(doc{"": info}.bytes()))
			shown = shown.with("platformAdditionalInfo", nil)
		}
		w.see(place, string(shown.bytes()))
	}
	switch operation {
	case "getLicenseStatus", "getManagedAuthOptions":
		w.see("its answer", string(output))
	case "getOauthInfo":
		w.see("its answer, the client secret excepted", string(d.with("clientSecret", nil).bytes()))
	}
}

// configure sets the configuration values, or takes them away.
func (w *watch) configure(set bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.configured = set
}

// setting is the configuration that a connector is checked with: secrets to look for, and ids that are nobody's. What is
// no credential is not set, for a made-up address would break the connector.
func (w *watch) setting(name string) (crmgate.Secret, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.configured {
		return crmgate.Secret{}, false
	}
	for _, kind := range []string{"_SECRET", "_TOKEN", "_PASSWORD", "_KEY"} {
		if strings.HasSuffix(name, kind) {
			value := w.values[name]
			if value == "" {
				value = "check-" + rand.Text()
				w.values[name] = value
				w.lookFor("the value of "+name, value)
			}
			return crmgate.NewSecret(value), true
		}
	}
	if strings.HasSuffix(name, "_CLIENT_ID") {
		return crmgate.NewSecret("check-client-id"), true
	}
	return crmgate.Secret{}, false
}
