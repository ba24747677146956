package connectortest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// rounds is the maximum number of rounds of Repeats calls. Another round follows while memory grows: a garbage collector lets it
// grow until its first run.
const rounds = 8

// maxMemory is more memory than any tested connector needs, in bytes.
const maxMemory = 48 << 20

// maxDuration limits the soak test of one operation.
const maxDuration = 30 * time.Second

// checkRepeated calls an operation many times: the user's id must not change, and memory must not grow.
func (k *check) checkRepeated(ctx context.Context, operation string, input doc, known bool, good callResult) {
	name := fmt.Sprintf("%s: %d calls", operation, k.Repeats)
	k.scanner.setCase(name)
	m := behaviour("")
	if !known {
		m = "401"
	}
	ids := map[string]bool{}
	var before, after int64
	began, calls := time.Now(), 0
	late := false
	for range rounds {
		for i := range k.Repeats {
			if late = time.Since(began) > maxDuration; late && i > k.Repeats/2 {
				break
			}
			// Every fourth call fails: error paths can leak memory too.
			m := m
			if known && i%4 == 3 && good.fetched > 0 {
				m = "500"
			}
			if i == k.Repeats/2 {
				before = k.folder.MemorySize(k.name)
			}
			a := k.call(ctx, operation, input, m)
			if ctx.Err() != nil {
				return // the check was cancelled
			}
			calls++
			if a.err != nil {
				k.add(name, Failed, fmt.Sprintf("call %d: %s", calls, a.summary()), "a call must not affect the next one: free what it allocates, and keep no state")
				return
			}
			// unAuthorize revokes the token at the practice CRM, so its second call may have another result.
			if known && m == "" && operation != "unAuthorize" && (a.Result != good.Result || a.succeeded() != good.succeeded() || a.fetched != good.fetched) {
				k.add(name, Failed, fmt.Sprintf("call %d with the same request: %s", calls, a.summary()), keepNoState)
				return
			}
			if who := parseDoc(a.Output).object("platformUserInfo"); who != nil {
				ids[fmt.Sprint(who["id"])] = true
			}
		}
		if after = k.folder.MemorySize(k.name); after <= before || late {
			break
		}
	}
	took := time.Since(began) / time.Duration(max(calls, 1))
	switch {
	case len(ids) > 1:
		k.add(name, Failed, fmt.Sprintf("the same user got %d ids, such as %s", len(ids), twoOf(ids)), stableIDAdvice)
	case after > maxMemory:
		k.add(name, Failed, fmt.Sprintf("it uses %s of memory after %d calls, and the limit is 64 MB", bytesText(after), calls), "free what a call allocates, also when it fails: an instance serves many calls")
	case after > before && !late:
		k.add(name, Failed, fmt.Sprintf("memory keeps growing: from %s to %s in the last %d calls", bytesText(before), bytesText(after), k.Repeats-k.Repeats/2),
			"free what a call allocates: an instance serves many calls")
	default:
		id := ""
		if len(ids) == 1 {
			id = "one id; "
		}
		if late {
			k.add(name, Warning, fmt.Sprintf("only %d calls were made in time: each takes %v", calls, took.Round(time.Microsecond)), "do less in a call: a user waits for it")
			return
		}
		k.add(name, OK, fmt.Sprintf("%smemory stays at %s; %v a call", id, bytesText(after), took.Round(time.Microsecond)), "")
	}
}

// twoOf returns the first two members of a set, sorted.
func twoOf(set map[string]bool) string {
	var all []string
	for s := range set {
		all = append(all, fmt.Sprintf("%.40q", s))
	}
	slices.Sort(all)
	return strings.Join(all[:min(2, len(all))], " and ")
}
