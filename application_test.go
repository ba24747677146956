package crmgate_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
)

func TestApplicationFieldsByName(t *testing.T) {
	t.Parallel()
	values := map[string]string{"failMessage": "ignored"}
	for _, name := range crmgate.ApplicationFields() {
		values[name] = " value of " + name + "\t"
	}
	a, err := crmgate.ReadApplication(values)
	if err != nil {
		t.Fatal(err)
	}
	shown := a.Shown()
	if names := slices.Sorted(maps.Keys(shown)); !slices.Equal(names, slices.Sorted(slices.Values(crmgate.ApplicationFields()))) {
		t.Errorf("shown: %v", names)
	}
	for name, v := range shown {
		if want := "value of " + name; v != want && (name != "clientSecret" || v != crmgate.Placeholder) {
			t.Errorf("%s is shown as %q", name, v)
		}
	}
	if a.ClientSecret.Reveal() != "value of clientSecret" {
		t.Error("the secret was not read")
	}
	if shown := (crmgate.Application{}).Shown(); len(shown) != 0 || !(crmgate.Application{}).IsZero() || a.IsZero() {
		t.Errorf("an empty application shows %v", shown)
	}

	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]string
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(members)), slices.Sorted(maps.Keys(shown))) || strings.Contains(string(b), "value of clientSecret") {
		t.Errorf("the JSON is %s", b)
	}
}

func TestReadApplicationRefuses(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"a line break": "a\nb", "4097 bytes": strings.Repeat("x", 4097)} {
		for _, field := range crmgate.ApplicationFields() {
			_, err := crmgate.ReadApplication(map[string]string{field: value})
			var r *crmgate.Refusal
			if !errors.As(err, &r) || !strings.HasPrefix(r.Message, field+" ") {
				t.Errorf("%s in %s: %v", name, field, err)
			}
		}
	}
}

func TestApplicationOver(t *testing.T) {
	t.Parallel()
	below := crmgate.Application{ClientID: "below", ClientSecret: crmgate.NewSecret("below's"), AccessTokenURI: "https://below.example/token", Scopes: "read"}
	for _, c := range []struct {
		name             string
		over             crmgate.Application
		id, secret, rest string
	}{
		{"nothing", crmgate.Application{}, "below", "below's", "read"},
		{"a client without a secret", crmgate.Application{ClientID: "over"}, "over", "", "read"},
		{"a client", crmgate.Application{ClientID: "over", ClientSecret: crmgate.NewSecret("over's")}, "over", "over's", "read"},
		{"a new secret", crmgate.Application{ClientSecret: crmgate.NewSecret("new")}, "below", "new", "read"},
		{"another field", crmgate.Application{Scopes: "write"}, "below", "below's", "write"},
	} {
		got := c.over.Over(below)
		if got.ClientID != c.id || got.ClientSecret.Reveal() != c.secret || got.Scopes != c.rest || got.AccessTokenURI != below.AccessTokenURI {
			t.Errorf("%s: got client %q, secret %q, scopes %q", c.name, got.ClientID, got.ClientSecret.Reveal(), got.Scopes)
		}
	}
}
