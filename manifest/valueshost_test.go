package manifest_test

import "testing"

func TestValuesHost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, members string
		decides, asks bool
	}{
		{"no environment, no hosts", "", false, false},
		{"no environment, declared hosts", `,"crmgate":{"hosts":["a.com","b.com"]}`, true, false},
		{"no environment, one declared host", `,"crmgate":{"hosts":["a.com"]}`, false, false},
		{"one host, and another that it could be", `,"environment":{"type":"fixed","url":"https://a.com"},"crmgate":{"hosts":["a.com","b.com"]}`, true, false},
		{"the host of all people", `,"environment":{"type":"fixed","url":"https://b.com"},"crmgate":{"hosts":["a.com","b.com"]}`, false, false},
		{"one selection, and another host", `,"environment":{"type":"selectable","selections":[{"const":"https://a.com"}]},"crmgate":{"hosts":["a.com","b.com"]}`, true, false},
		{"no environment, a wildcard", `,"crmgate":{"hosts":["*.a.com"]}`, true, false},
		{"no environment, {hostname}", `,"crmgate":{"hosts":["{hostname}"]}`, true, false},
		{"one host", `,"environment":{"type":"fixed","url":"https://a.com/x"},"crmgate":{"hosts":["a.com","api.a.com"]}`, false, false},
		{"one host, named twice", `,"environment":{"type":"fixed","url":"https://a.com/x","urlIdentifier":"a.com"}`, false, false},
		{"one host, and a wildcard", `,"environment":{"type":"fixed","url":"https://a.com"},"crmgate":{"hosts":["*.a.com"]}`, true, false},
		{"one selection", `,"environment":{"type":"selectable","selections":[{"const":"https://a.com"}]},"crmgate":{"hosts":["a.com"]}`, false, false},
		{"two selections", `,"environment":{"type":"selectable","selections":[{"const":"https://a.com"},{"const":"https://b.com"}]},"crmgate":{"hosts":["a.com","b.com"]}`, true, true},
		{"selections without a type", `,"environment":{"selections":[{"const":"a.com"},{"const":"b.com"}]}`, true, true},
		{"a pattern of hosts", `,"environment":{"type":"dynamic","urlIdentifier":"*.a.com"},"crmgate":{"hosts":["api.a.com"]}`, true, true},
		{"any declared host", `,"environment":{"type":"dynamic"},"crmgate":{"hosts":["a.com","b.com"]}`, true, true},
		{"the only declared host", `,"environment":{"type":"dynamic"},"crmgate":{"hosts":["a.com"]}`, false, false},
	} {
		m, want := platform(t, c.members), ""
		if c.decides {
			want = "b.com"
		}
		if got := m.ValuesHost("b.com"); got != want {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
		if got := m.AsksHost(); got != c.asks {
			t.Errorf("%s: asks for a host: %v, want %v", c.name, got, c.asks)
		}
	}
}
