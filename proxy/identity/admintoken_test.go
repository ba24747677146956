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
		{"unknown", "wrong", "", "", "This admin token is not valid."},
		{"empty", "", "", "", "This admin token is not valid."},
		{"its hash", strings.Split(line, ":")[1], "", "", "This admin token is not valid."},
	} {
		who, err := tokens.Verify(t.Context(), crmgate.NewSecret(c.token))
		var r *crmgate.Refusal
		if c.want != "" && (!errors.As(err, &r) || !strings.Contains(r.Message, c.want) || who.Admin) || c.want == "" && (err != nil || !who.Admin || string(who.Account) != c.account || string(who.Extension) != c.extension) {
			t.Errorf("%s: %+v, %v", c.name, who, err)
		}
	}
}

// TestEither: what has the form of an admin token is never sent to RingCentral, and nothing else is compared with admin tokens.
func TestEither(t *testing.T) {
	o := newOffice(t)
	known, line, err := identity.NewAdminToken("ops", []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := identity.ParseAdminTokens([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	unknown, _, _ := identity.NewAdminToken("ops", []string{"acme"})
	both, alone := identity.Either(tokens, o.RingCentral), identity.Either(tokens, nil)
	for _, c := range []struct {
		name, token string
		verify      identity.Verify
		account     string
		want        string
		asked       int // of RingCentral
	}{
		{"an admin token", known.Reveal(), both, "acme", "", 0},
		{"an admin token with its account", "acme:" + known.Reveal(), both, "acme", "", 0},
		{"an unknown admin token", unknown.Reveal(), both, "", "This admin token is not valid", 0},
		{"without a file", known.Reveal(), identity.Either(&identity.AdminTokens{}, o.RingCentral), "", "This admin token is not valid", 0},
		{"a token of RingCentral", "ada", both, "42", "", 1},
		{"in lower case", strings.ToLower(known.Reveal()), both, "42", "", 1},
		{"one character short", known.Reveal()[1:], both, "42", "", 1},
		{"without RingCentral", "grace", alone, "", "does not accept tokens of RingCentral", 0},
		{"an admin token without RingCentral", known.Reveal(), alone, "acme", "", 0},
	} {
		who, err := c.verify(t.Context(), crmgate.NewSecret(c.token))
		if c.want == "" && (err != nil || string(who.Account) != c.account) || c.want != "" && (!errors.Is(err, crmgate.ErrInvalidToken) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %+v, %v", c.name, who, err)
		}
		if n := o.asked[c.token]; n != c.asked {
			t.Errorf("%s: RingCentral was asked %d times, want %d", c.name, n, c.asked)
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
