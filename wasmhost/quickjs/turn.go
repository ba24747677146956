package quickjs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// turn is what the prelude says of an operation after the jobs have run: exactly one of its parts is set.
type turn struct {
	Result   *int32    `json:"result"`
	Output   string    `json:"output"` // of a result
	Requests []request `json:"requests"`
	Sleep    *float64  `json:"sleep"` // milliseconds
	Stuck    bool      `json:"stuck"`
}

// request is what an operation waits for.
type request struct {
	ID       int32  `json:"id"`
	Import   string `json:"import"`
	Document string `json:"document"`
}

var errTurn = errors.New("the prelude was changed by the connector: what it says of the operation has no sense")

// parseTurn parses what the prelude says. A connector that has changed what the prelude uses decides its content.
func parseTurn(s string) (t turn, err error) {
	if err := json.Unmarshal([]byte(s), &t); err != nil {
		return t, fmt.Errorf("%w: %w", errTurn, err)
	}
	parts := 0
	for _, is := range []bool{t.Result != nil, len(t.Requests) > 0, t.Sleep != nil, t.Stuck} {
		if is {
			parts++
		}
	}
	if parts != 1 || t.Result == nil && t.Output != "" {
		return t, errTurn
	}
	for _, r := range t.Requests {
		if r.Import != "fetch" && r.Import != "derive" {
			return t, errTurn
		}
	}
	return t, nil
}

// sleep returns how long to wait.
func (t turn) sleep() time.Duration {
	ms := *t.Sleep
	if !(ms > 0) {
		return 0
	}
	return time.Duration(math.Min(ms, float64(24*time.Hour/time.Millisecond)) * float64(time.Millisecond))
}
