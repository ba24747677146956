package connectortest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
)

// scanner looks for secrets in a connector's output. It is also the connector's configuration, and the handler of its log.
// It is safe for concurrent use.
type scanner struct {
	mu          sync.Mutex
	currentCase string              // guarded by mu; the running case
	configured  bool                // guarded by mu; whether configuration values are set
	encodings   map[string][]string // guarded by mu; the encodings of each secret, by its name
	leaks       []leak              // guarded by mu
	undeclared  []finding           // guarded by mu; configuration values
	malformed   []finding           // guarded by mu; requests
	misplaced   []finding           // guarded by mu; handles
	values      map[string]string   // guarded by mu; the configuration
	hosts       map[string]bool     // guarded by mu; the configuration values that are hosts
	recorded    map[string]string   // guarded by mu; the configuration of the recorded case that runs
	thrown      thrown              // guarded by mu; of the current call
}

func newScanner() *scanner {
	return &scanner{encodings: map[string][]string{}, values: map[string]string{}, hosts: map[string]bool{}}
}

// minSecret is the minimum length of a value to look for. A shorter one occurs in other texts by chance.
const minSecret = 8

// addSecret adds a value to look for. A value of less than minSecret bytes is ignored.
func (s *scanner) addSecret(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addEncodings(name, value)
}

// addEncodings adds the encodings of a secret. The caller holds s.mu.
func (s *scanner) addEncodings(name, value string) {
	if len(value) < minSecret {
		return
	}
	forms := []string{value, url.QueryEscape(value), hex.EncodeToString([]byte(value))}
	for _, before := range []string{"", "x", "xx"} { // base64 has three encodings of a substring
		e := base64.StdEncoding.EncodeToString([]byte(before + value))
		if from, to := (len(before)*8+5)/6, (len(before)+len(value))*8/6; to-from >= 8 {
			forms = append(forms, e[from:to])
		}
	}
	const piece = 14 // the length of a part of a secret
	if len(value) >= 2*piece {
		forms = append(forms, value[len(value)-piece:], value[len(value)-2*piece:len(value)-piece])
	}
	for _, f := range forms {
		s.encodings[name] = append(s.encodings[name], strings.ToLower(f))
	}
}

// setCase sets the name of the running case.
func (s *scanner) setCase(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.currentCase = name
}

// thrown finds in the log of a script where it threw the error that ended its operation.
type thrown struct {
	seen  bool   // the line with the error, which the lines of its stack follow
	place string // such as acme.js:5:18; empty if unknown
}

// frame is a line of a stack in the log.
var frame = regexp.MustCompile(`^    at .*?([^\s()]+\.js:\d+:\d+)\)?$`)

// read takes a line of the log.
func (t *thrown) read(operation, line string) {
	if strings.HasPrefix(line, "error: "+operation+": ") {
		*t = thrown{seen: true}
	} else if at := frame.FindStringSubmatch(line); at != nil && t.seen && t.place == "" {
		t.place = at[1]
	}
}

// takePlace returns where the script threw the error that ended its operation, and forgets it; empty if unknown.
func (s *scanner) takePlace() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := s.thrown.place
	s.thrown = thrown{}
	return place
}

// scan looks for secrets in a text, and records them as leaks.
func (s *scanner) scan(place, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = strings.ToLower(text)
	for name, forms := range s.encodings {
		for _, f := range forms {
			if strings.Contains(text, f) {
				s.recordLeak(name, place)
				break
			}
		}
	}
	// The host has replaced configuration values.
	if strings.Contains(text, "[secret]") {
		s.recordLeak("a configuration value", place)
	}
}

// leak is a secret in a place that is not secret.
type leak struct {
	secret, place string
	firstCase     string // the case of the first occurrence
	times         int
}

func (l leak) String() string {
	text := fmt.Sprintf("%s is in %s (%s", l.secret, l.place, l.firstCase)
	if l.times > 1 {
		text += fmt.Sprintf(", and %d times more", l.times-1)
	}
	return text + ")"
}

// recordLeak records a leak. The caller holds s.mu.
func (s *scanner) recordLeak(secret, place string) {
	for i, l := range s.leaks {
		if l.secret == secret && l.place == place {
			s.leaks[i].times++
			return
		}
	}
	s.leaks = append(s.leaks, leak{secret, place, s.currentCase, 1})
}

// leaked returns the leaks.
func (s *scanner) leaked() (leaks []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.leaks {
		leaks = append(leaks, l.String())
	}
	return leaks
}

// requested returns the undeclared configuration values, what was wrong with requests, and the handles that were misplaced.
func (s *scanner) requested() (undeclared, malformed, misplaced []finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.undeclared, s.malformed, s.misplaced
}

// undeclaredPrefix begins the text of the host's log line about a configuration value that the manifest does not declare.
const undeclaredPrefix = "the connector requests the configuration value "

// Enabled makes the scanner a slog.Handler.
func (s *scanner) Enabled(context.Context, slog.Level) bool { return true }
func (s *scanner) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *scanner) WithGroup(string) slog.Handler            { return s }

// reads notes that an operation, or a file, reads a configuration value that the manifest does not declare.
func (s *scanner) reads(name, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undeclared = append(s.undeclared, finding{what, name, what + " reads " + name})
}

// Handle scans a log line.
func (s *scanner) Handle(_ context.Context, r slog.Record) error {
	s.scan("a line of its log", r.Message)
	operation := ""
	r.Attrs(func(a slog.Attr) bool {
		text := a.Value.String()
		if a.Key == "operation" {
			operation = text
		}
		if how, ok := strings.CutPrefix(text, wasmhost.MalformedPrefix); ok {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.malformed = append(s.malformed, finding{operation, operation + how, operation + " sends a malformed request: " + how})
			return true
		}
		if how, ok := strings.CutPrefix(text, wasmhost.RefusedPrefix); ok {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.misplaced = append(s.misplaced, finding{operation, operation + how, operation + ": " + how})
			return true
		}
		s.scan("a line of its log", text)
		s.mu.Lock()
		s.thrown.read(operation, text)
		s.mu.Unlock()
		if rest, ok := strings.CutPrefix(text, undeclaredPrefix); ok {
			name, _, _ := strings.Cut(rest, ",")
			s.reads(name, operation)
		}
		return true
	})
	return nil
}

// scanAnswer scans the parts of an answer that users and other programs see. Other parts may contain secrets.
func (s *scanner) scanAnswer(operation string, result int32, output []byte) {
	d := parseDoc(output)
	if result != 0 {
		s.scan("the message of its error", d.text("message"))
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
			s.scan("platformAdditionalInfo", string(doc{"": info}.bytes()))
			shown = shown.with("platformAdditionalInfo", nil)
		}
		s.scan(place, string(shown.bytes()))
	}
	switch operation {
	case "getLicenseStatus", "getManagedAuthOptions":
		s.scan("its answer", string(output))
	case "getOauthInfo":
		s.scan("its answer, apart from the client secret", string(d.with("clientSecret", nil).bytes()))
	}
}

// setConfigured sets whether configuration values are set.
func (s *scanner) setConfigured(set bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configured = set
}

// setRecorded sets the configuration of a recorded case.
func (s *scanner) setRecorded(config map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recorded = config
}

// configuredClientID is the value of every configured client id.
const configuredClientID = "check-client-id"

// hostSetting is setting for a value that is a host. From now on, setting returns it too.
func (s *scanner) hostSetting(name string) (crmgate.Secret, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[name] = true
	return crmgate.NewSecret(configuredURL(name)), true
}

// configuredURL is the value of a setting that is a host: https://acme-api-server.example for ACME_API_SERVER.
func configuredURL(name string) string {
	return "https://" + strings.ToLower(strings.ReplaceAll(name, "_", "-")) + ".example"
}

// setting returns a made-up configuration value: a secret to look for, or a client id. Other values are not set, because a
// made-up address would break the connector.
func (s *scanner) setting(name string) (crmgate.Secret, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok := s.recorded[name]; ok {
		return crmgate.NewSecret(value), true
	}
	if s.hosts[name] {
		return crmgate.NewSecret(configuredURL(name)), true
	}
	if !s.configured {
		return crmgate.Secret{}, false
	}
	for _, kind := range []string{"_SECRET", "_TOKEN", "_PASSWORD", "_KEY"} {
		if strings.HasSuffix(name, kind) {
			value := s.values[name]
			if value == "" {
				value = "check-" + rand.Text()
				s.values[name] = value
				s.addEncodings("the value of "+name, value)
			}
			return crmgate.NewSecret(value), true
		}
	}
	if strings.HasSuffix(name, "_CLIENT_ID") {
		return crmgate.NewSecret(configuredClientID), true
	}
	return crmgate.Secret{}, false
}
