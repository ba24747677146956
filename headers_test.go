package crmgate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
)

func TestCheckHeaders(t *testing.T) {
	t.Parallel()
	many := func(n int) map[string]string {
		all := map[string]string{}
		for i := range n {
			all[fmt.Sprint("X-", i)] = ""
		}
		return all
	}
	for name, c := range map[string]struct {
		headers map[string]string
		want    string // empty: allowed
	}{
		"none":                {nil, ""},
		"allowed headers":     {map[string]string{"authorization": "Bearer x", "Accept": "a/b;q=1, */*", "X-A_b.1": "ü\t", "Empty": "", "Proxy": "x", "Upgrade-Insecure-Requests": "1"}, ""},
		"a hundred":           {many(100), ""},
		"too many":            {many(101), "the request has 101 headers: expected at most 100"},
		"large":               {map[string]string{"X": strings.Repeat("x", 64<<10-1)}, ""},
		"too large a value":   {map[string]string{"X": strings.Repeat("x", 64<<10)}, "the headers have more than 65536 bytes"},
		"megabytes in a name": {map[string]string{strings.Repeat("x", 4<<20): ""}, "the headers have more than 65536 bytes"},
		"too large together":  {map[string]string{"A": strings.Repeat("x", 33<<10), "B": strings.Repeat("x", 33<<10)}, "the headers have more than 65536 bytes"},
		"a long proxy header": {map[string]string{"proxy-" + strings.Repeat("x", 4<<20): ""}, "must not set the header Proxy-Xxxx"},
		"no name":             {map[string]string{"": "x"}, "does not allow"},
		"a space in a name":   {map[string]string{"Upgrade ": "x"}, "does not allow"},
		"a colon in a name":   {map[string]string{"A: b\r\nHost": "x"}, "line break"},
		"a name beyond ASCII": {map[string]string{"X-Ü": "x"}, "does not allow"},
		"a line break":        {map[string]string{"A": "hush\nHost: x"}, "line break"},
		"a carriage return":   {map[string]string{"A": "hush\rHost: x"}, "line break"},
		"one name twice":      {map[string]string{"Content-Type": "text/plain", "content-type": "application/json"}, "the request has the header Content-Type twice"},
		"a null":              {map[string]string{"A": "hush\x00"}, "does not allow"},
		"one of several":      {map[string]string{"A": "b", "C": "d", "te": "hush", "X": "y"}, "a connector must not set the header Te: leave it out"},
	} {
		err := crmgate.CheckHeaders(c.headers)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "hush") || len(err.Error()) > 200) {
			t.Errorf("%s: %.300s", name, err)
		}
	}
}
