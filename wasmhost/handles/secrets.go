package handles

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/mask"
)

// Config says what the handles of a call may do. The zero value is for a guest that sees the secrets.
type Config struct {
	// Nonce makes the handles of a call unguessable: letters and digits. If it is empty, the guest sees the secrets.
	Nonce string
	// Sends says where each secret may be sent. A secret that it does not name may not be sent.
	Sends map[string]manifest.Send
	// Hostname replaces {hostname} in the hosts of Sends.
	Hostname string
}

// maxAdded is how many bytes the secrets may add to a request.
const maxAdded = 1 << 20

// Secrets are the secrets of one call. It is not safe for concurrent use.
type Secrets struct {
	Config
	hidden  []secret   // those that the guest does not see; none if it sees all
	visible []string   // those that the guest sees, and that logs must not contain
	derived int        // the number of derived values
	finds   mask.Masks // of the first secrets in hidden
	known   int        // the number of those secrets
	all     mask.Masks // of hidden and visible secrets, for logs
	redacts int        // the number of those secrets
}

// secret is a value that the guest does not see.
type secret struct {
	handle      string // {{kind:label:NONCE}}, or {{label:NONCE}}; empty for a value that is only stripped
	kind, label string
	name        string // for the author of the connector
	value       string
	parts       []string // the secrets that it was computed from, by their names in Sends
}

// New returns the secrets of a call, of which there are none yet.
func New(c Config) *Secrets { return &Secrets{Config: c} }

// opaque reports whether the guest gets handles.
func (s *Secrets) opaque() bool { return s.Nonce != "" }

// Add adds a secret, and returns what the guest gets for it: a handle, or the value itself. name is its name in Sends.
func (s *Secrets) Add(name, value string) string { return s.add("", name, value) }

// AddConfig is Add for a configuration value. If Sends does not name it, it is not a secret, and the guest gets the value.
func (s *Secrets) AddConfig(name, value string) string {
	if _, ok := s.Sends[name]; !ok {
		s.Show(value)
		return value
	}
	return s.add("secret", name, value)
}

// add adds a secret. kind is that of its handle.
func (s *Secrets) add(kind, name, value string) string {
	switch {
	case value == "":
		return ""
	case !s.opaque():
		s.Show(value)
		return value
	}
	if i := slices.IndexFunc(s.hidden, func(h secret) bool { return h.name == name }); i >= 0 {
		return s.hidden[i].handle
	}
	return s.put(secret{kind: kind, label: name, name: name, value: value, parts: []string{name}})
}

// put adds a secret, and returns its handle.
func (s *Secrets) put(h secret) string {
	prefix := ""
	if h.kind != "" {
		prefix = h.kind + ":"
	}
	h.handle = "{{" + prefix + h.label + ":" + s.Nonce + "}}"
	s.hidden = append(s.hidden, h)
	return h.handle
}

// Hide adds values that the guest does not see, and that have no handle.
func (s *Secrets) Hide(values ...string) {
	if !s.opaque() {
		s.Show(values...)
		return
	}
	for _, v := range values {
		if v != "" {
			s.hidden = append(s.hidden, secret{value: v})
		}
	}
}

// Show adds values that the guest sees, and that logs must not contain.
func (s *Secrets) Show(values ...string) {
	for _, v := range values {
		if len(v) >= mask.Shortest && !slices.Contains(s.visible, v) {
			s.visible = append(s.visible, v)
		}
	}
}

// Seen returns the secrets that the guest sees.
func (s *Secrets) Seen() []string { return slices.Clone(s.visible) }

// Values returns all secrets of the call, those that the guest sees and those that it does not see.
func (s *Secrets) Values() []string {
	all := slices.Clone(s.visible)
	for _, h := range s.hidden {
		all = append(all, h.value)
	}
	return all
}

// Clone returns a copy, for a second run of the same call.
func (s *Secrets) Clone() *Secrets {
	c := *s
	c.hidden, c.visible, c.finds, c.all = slices.Clone(s.hidden), slices.Clone(s.visible), s.finds.Clone(), s.all.Clone()
	return &c
}

// found is a handle in a text.
type found struct {
	secret   *secret
	percent  bool // it is percent-encoded, and so must be the value
	from, to int
}

// find returns the first handle in a text from an offset on. It may be percent-encoded, with or without its colons.
func (s *Secrets) find(text string, offset int) (found, bool) {
	if !s.opaque() {
		return found{}, false
	}
	for from := offset; ; {
		i := strings.Index(text[from:], s.Nonce)
		if i < 0 {
			return found{}, false
		}
		from += i + len(s.Nonce)
		end, percent := len("}}"), false
		if after := text[from:]; len(after) >= len("%7D%7D") && strings.EqualFold(after[:len("%7D%7D")], "%7D%7D") {
			end, percent = len("%7D%7D"), true
		} else if !strings.HasPrefix(after, "}}") {
			continue
		}
		before := text[offset : from-len(s.Nonce)]
		for n := range s.hidden {
			if rest, ok := s.hidden[n].cut(before, percent); ok {
				return found{&s.hidden[n], percent, offset + len(rest), from + end}, true
			}
		}
	}
}

// cut cuts the beginning of the handle, up to the nonce, from the end of a text.
func (h *secret) cut(text string, percent bool) (rest string, ok bool) {
	if h.handle == "" {
		return text, false
	}
	for _, part := range []string{h.label, h.kind} {
		if part == "" {
			continue
		}
		if text, ok = cutEnd(text, ":", "%3A", percent); !ok {
			return text, false
		}
		if text, ok = strings.CutSuffix(text, part); !ok {
			return text, false
		}
	}
	if !percent {
		return strings.CutSuffix(text, "{{")
	}
	return cutEnd(text, "%7B%7B", "%7B%7B", true)
}

// cutEnd cuts plain from the end of a text, or with percent also encoded, in any case.
func cutEnd(text, plain, encoded string, percent bool) (rest string, ok bool) {
	if rest, ok = strings.CutSuffix(text, plain); ok || !percent {
		return rest, ok
	}
	at := len(text) - len(encoded)
	if at < 0 || !strings.EqualFold(text[at:], encoded) {
		return text, false
	}
	return text[:at], true
}

// Refused is the error of a handle that may not be where it is. Its text is for the author of the connector.
type Refused struct {
	Name  string // of the secret, in Sends
	Where string // the position
	Host  string // to which it would have been sent; may be empty
	Do    string // what to declare
}

func (r *Refused) Error() string {
	to := ""
	if r.Host != "" {
		to = " to " + r.Host
	}
	return fmt.Sprintf("%s may not be sent in the %s%s: %s", r.Name, r.Where, to, r.Do)
}

// allow checks that a secret may be sent.
func (s *Secrets) allow(h *secret, at manifest.Position, to *url.URL) error {
	for _, name := range h.parts {
		send, declared := s.Sends[name]
		if send.Allows(at, to, s.Hostname) {
			continue
		}
		r := &Refused{Name: name, Where: string(at), Host: crmgate.Clip(to.Host)}
		switch {
		case !declared:
			r.Do = fmt.Sprintf(`add %q: {"in": [%q], "hosts": [%q]} to crmgate.sends`, name, at, r.Host)
		case !slices.Contains(send.In, at):
			r.Do = fmt.Sprintf("add %q to crmgate.sends.%s.in", at, name)
		default:
			r.Do = fmt.Sprintf("add the host to crmgate.sends.%s.hosts", name)
		}
		return r
	}
	return nil
}

// Resolve replaces the handles in a member of an answer to the server, which the server then keeps as the secret called name.
// A secret must not become another one that may be sent to more places: the error is a *Refused then. parts are the secrets in
// the text, by their names in Sends.
func (s *Secrets) Resolve(text, name string) (value string, parts []string, err error) {
	value, err = s.replaced(text, new(int), func(f found) (string, error) {
		for _, p := range f.secret.parts {
			if p != name && f.secret.value != s.value(name) && !s.Sends[p].Covers(s.Sends[name]) {
				return "", &Refused{Name: p, Where: "answer as " + name, Do: fmt.Sprintf("crmgate.sends.%s must allow all that crmgate.sends.%s allows", p, name)}
			}
			parts = append(parts, p)
		}
		return f.secret.value, nil
	})
	return value, parts, err
}

// value returns the value of a secret; empty if there is none. A CRM can give one token as access token and as refresh token: what it
// repeats is stripped as one of them, and stands for both.
func (s *Secrets) value(name string) string {
	if i := slices.IndexFunc(s.hidden, func(h secret) bool { return h.name == name }); i >= 0 {
		return s.hidden[i].value
	}
	return ""
}

// replaced returns a text with with(f) in place of each handle. size counts the bytes that were added.
func (s *Secrets) replaced(text string, size *int, with func(found) (string, error)) (string, error) {
	var b strings.Builder
	done := 0
	for {
		f, ok := s.find(text, done)
		if !ok {
			break
		}
		value, err := with(f)
		if err != nil {
			return "", err
		}
		if *size += len(value); *size > maxAdded {
			return "", fmt.Errorf("its secrets have more than %d bytes", maxAdded)
		}
		b.WriteString(text[done:f.from])
		b.WriteString(value)
		done = f.to
	}
	if done == 0 {
		return text, nil
	}
	b.WriteString(text[done:])
	return b.String(), nil
}
