package crmgate_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

const canary = "s3cr3t-canary"

// wantHidden fails if text contains the canary in any form that fmt can print.
func wantHidden(t *testing.T, how, text string) {
	t.Helper()
	quoted := fmt.Sprintf("%q", canary)
	for _, form := range []string{
		canary, quoted[1 : len(quoted)-1],
		fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary),
		fmt.Sprint([]byte(canary)), strings.Trim(fmt.Sprintf("%#v", []byte(canary)), "[]byte{}"),
	} {
		if strings.Contains(text, form) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
}

type nested struct {
	Shown  crmgate.Secret
	hidden crmgate.Secret
	deep   *nested
	many   []crmgate.Secret
	named  map[string]crmgate.Secret
	any    any
}

// holders returns values that contain a secret. Unexported fields matter, because fmt does not call methods on them.
func holders() map[string]any {
	s := crmgate.NewSecret(canary)
	n := nested{Shown: s, hidden: s, many: []crmgate.Secret{s}, named: map[string]crmgate.Secret{"k": s}, any: s}
	n.deep = &nested{hidden: s, any: &s}
	return map[string]any{
		"a secret":    s,
		"a pointer":   &s,
		"a slice":     []crmgate.Secret{s},
		"pointers":    []*crmgate.Secret{&s},
		"an array":    [1]crmgate.Secret{s},
		"a map":       map[string]crmgate.Secret{"k": s},
		"any":         []any{s, &s},
		"a struct":    n,
		"its address": &n,
		"a grant":     crmgate.Grant{AccessToken: s, RefreshToken: s, APIKey: s},
		"a person":    &crmgate.Person{Grant: crmgate.Grant{AccessToken: s}},
		"an answer":   connector.UserInfo{OverridingAPIKey: s},
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%t", "%T", "%p", "%U", "%e", "%20v", "%-5.3s", "%!"} {
			wantHidden(t, name+" through "+verb, fmt.Sprintf(verb, v))
		}
		wantHidden(t, name+" through Sprint", fmt.Sprint(v))
		wantHidden(t, name+" through an error", fmt.Errorf("call: %w: %v", errors.New("x"), v).Error())
		wantHidden(t, name+" through a joined error", errors.Join(fmt.Errorf("%+v", v)).Error())
		wantHidden(t, name+" through a refusal", crmgate.Refuse("not %v", v).Error())
	}
}

func TestSecretIsNotLogged(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).With("with", v).WithGroup("g").Info("m", "v", v, slog.Group("in", "v", v))
		}
		wantHidden(t, name+" through log/slog", out.String())
	}
}

func TestSecretIsNotEncoded(t *testing.T) {
	t.Parallel()
	for name, v := range holders() {
		b, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantHidden(t, name+" through encoding/json", string(b))
		b, _ = xml.Marshal(v) // maps return an error, which is fine
		wantHidden(t, name+" through encoding/xml", string(b))
		var out strings.Builder
		if err := template.Must(template.New("").Parse("{{.}} {{printf `%q` .}}")).Execute(&out, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantHidden(t, name+" through a template", out.String())
	}
}

// A log should show that there was a value.
func TestSecretPrintsAPlaceholder(t *testing.T) {
	t.Parallel()
	s, none := crmgate.NewSecret(canary), crmgate.NewSecret("")
	for how, got := range map[string]string{"%v": fmt.Sprintf("%v", s), "%q": fmt.Sprintf("%q", s), "String": s.String()} {
		if got != "[secret]" {
			t.Errorf("%s: got %q, want [secret]", how, got)
		}
	}
	if got := fmt.Sprint(none); got != "" {
		t.Errorf("an empty secret prints as %q, want an empty string", got)
	}
	b, err := json.Marshal(struct {
		A crmgate.Secret
		B crmgate.Secret
		C crmgate.Secret `json:",omitzero"`
	}{A: s})
	if want := `{"A":"[secret]","B":""}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v, want %s", b, err, want)
	}
}

func TestSecretKeepsItsValue(t *testing.T) {
	t.Parallel()
	s := crmgate.NewSecret(canary)
	if s.Reveal() != canary || s.IsZero() {
		t.Errorf("got %q", s.Reveal())
	}
	if none := crmgate.NewSecret(""); !none.IsZero() || none.Reveal() != "" || !none.Equal(crmgate.Secret{}) {
		t.Error("an empty secret is not the zero value")
	}
	if !s.Equal(crmgate.NewSecret(canary)) || s.Equal(crmgate.NewSecret(canary+"x")) || s.Equal(crmgate.Secret{}) {
		t.Error("Equal does not compare values")
	}

	for _, c := range []struct{ text, want string }{{`"a\"b"`, `a"b`}, {`""`, ""}, {`null`, ""}} {
		got := crmgate.NewSecret("before")
		if err := json.Unmarshal([]byte(c.text), &got); err != nil || got.Reveal() != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.text, got.Reveal(), err, c.want)
		}
	}
	var got crmgate.Secret
	if err := json.Unmarshal([]byte(`{"k":"`+canary+`"}`), &got); err == nil {
		t.Error("an object was read as a secret")
	} else {
		wantHidden(t, "the error", err.Error())
	}
}
