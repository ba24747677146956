package quickjs

import (
	"errors"
	"strconv"
	"strings"
)

// turn is what the prelude says of an operation after the jobs have run.
type turn struct {
	kind   string // result, fetch, derive, sleep or stuck
	number int32  // the result of the ABI, or how long to sleep in milliseconds
	text   string // the output of a result, or the document of a request
}

// maxHead is the length that the first line of what the prelude says never reaches, in bytes.
const maxHead = 64

var errTurn = errors.New("the prelude was changed by the connector: what it says of the operation has no sense")

// parseTurn parses what the prelude says. A connector that has changed what the prelude uses decides its content.
func parseTurn(s string) (turn, error) {
	head, text, _ := strings.Cut(s, "\n")
	switch head {
	case "fetch", "derive", "stuck":
		return turn{kind: head, text: text}, nil
	}
	kind, number, _ := strings.Cut(head, " ")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || kind != "result" && kind != "sleep" {
		return turn{}, errTurn
	}
	return turn{kind, int32(n), text}, nil
}
