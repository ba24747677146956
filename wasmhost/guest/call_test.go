package guest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// A line that a runtime prints in several parts is one line of the log: the host redacts secrets in whole lines only.
func TestPrintedLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxLine)
	for name, tt := range map[string]struct{ printed, want []string }{
		"a line in parts":     {[]string{"se", "cr", "et\n"}, []string{"secret"}},
		"two lines in one":    {[]string{"one\ntwo\n"}, []string{"one", "two"}},
		"no end":              {[]string{"one\ntw", "o"}, []string{"one", "two"}},
		"empty lines":         {[]string{"\n\n", "one\n"}, []string{"one"}},
		"a line at the limit": {[]string{long, "more\n", "next\n"}, []string{long, "next"}},
		"too many lines":      {[]string{strings.Repeat("a\n", 10)}, slices.Repeat([]string{"a"}, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got lines
			c := &call{module: &Module{limits: Limits{MaxLogLines: 4}}, host: &got}
			for _, b := range tt.printed {
				c.writeOutput(t.Context(), []byte(b))
			}
			c.flushLine(t.Context())
			if !slices.Equal(got.all, tt.want) {
				t.Errorf("got %q, want %q", got.all, tt.want)
			}
		})
	}
}

// lines is a host that keeps the log.
type lines struct {
	silent
	all []string
}

func (l *lines) Log(_ context.Context, _ slog.Level, line []byte) {
	l.all = append(l.all, string(line))
}
