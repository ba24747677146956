package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
)

func TestAdminTokens(t *testing.T) {
	one, line, err := identity.NewAdminToken("ops", []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	several, second, err := identity.NewAdminToken("support", []string{"acme", "other"})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := identity.ParseAdminTokens([]byte("# admins\n\n" + line + "\r\n  " + second + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(line, one.Reveal()) {
		t.Error("the file contains the token itself")
	}
	for _, c := range []struct{ name, token, account, extension, want string }{
		{"for one account", one.Reveal(), "acme", "token ops", ""},
		{"for one account, named", "acme:" + one.Reveal(), "acme", "token ops", ""},
		{"for several", "other:" + several.Reveal(), "other", "token support", ""},
		{"for several, not named", several.Reveal(), "", "", "send it as ACCOUNT:TOKEN"},
		{"for another account", "other:" + one.Reveal(), "", "", "not valid for that account"},
		{"unknown", "wrong", "", "", "status code 401"},
		{"empty", "", "", "", "status code 401"},
		{"its hash", strings.Split(line, ":")[1], "", "", "status code 401"},
	} {
		who, err := tokens.Verify(t.Context(), crmgate.NewSecret(c.token))
		var r *crmgate.Refusal
		if c.want != "" && (!errors.As(err, &r) || !strings.Contains(r.Message, c.want) || who.Admin) || c.want == "" && (err != nil || !who.Admin || string(who.Account) != c.account || string(who.Extension) != c.extension) {
			t.Errorf("%s: %+v, %v", c.name, who, err)
		}
	}
}

func TestWrongAdminTokenFiles(t *testing.T) {
	_, line, err := identity.NewAdminToken("ops", []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(line, ":")[1]
	for text, want := range map[string]string{
		"ops":                          "line 1: expected NAME:SHA256:ACCOUNT",
		line + "\n" + line:             "line 2: expected NAME:SHA256:ACCOUNT,… with a unique name",
		line + "\nx:" + hash + ":acme": "line 2: this token already has another name",
		"\nops:abc:acme":               "line 2: the second part is not a SHA-256",
		"ops:" + hash + ":":            "line 1: an account is empty",
		"ops:" + hash + ":a,,b":        "line 1: an account is empty",
		strings.Repeat("x", 100_000):   "a line is too long",
	} {
		if _, err := identity.ParseAdminTokens([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	for _, name := range []string{"", "a:b", "#x", "a\nb"} {
		if _, _, err := identity.NewAdminToken(name, []string{"acme"}); err == nil {
			t.Errorf("accepted the name %q", name)
		}
	}
	if _, _, err := identity.NewAdminToken("ops", nil); err == nil {
		t.Error("accepted a token without accounts")
	}
}

func FuzzAdminTokens(f *testing.F) {
	_, line, err := identity.NewAdminToken("ops", []string{"acme", "other"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(line))
	f.Add([]byte("# x\n\nops:00:acme"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tokens, err := identity.ParseAdminTokens(b)
		if (tokens == nil) != (err != nil) {
			t.Fatalf("%v, %v", tokens, err)
		}
		if err == nil {
			if who, _ := tokens.Verify(t.Context(), crmgate.NewSecret(string(b))); who.Admin {
				t.Fatal("the file itself is accepted as a token")
			}
		}
	})
}
