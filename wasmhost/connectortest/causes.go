package connectortest

import (
	"fmt"
	"slices"
	"strings"
)

// finding is something in a call of an operation that the server refuses. Findings with the same key are one fault.
type finding struct{ operation, key, what string }

// group collects the results of one operation, so that a cause is reported before its consequences, which are counted.
type group struct{ results []Result }

// inGroup runs the cases of one operation, and then reports them.
//
// Requests that the server refuses, and misspelt members, make other cases fail too: they are the cause. So is a call that fails
// while the CRM is well. Without such a cause, failures with the same advice are one fault.
func (k *check) inGroup(operation string, run func()) {
	k.group = &group{}
	run()
	results := k.group.results
	k.group = nil
	all := k.causesOf(operation)
	if len(all) > 0 {
		k.reportCauses(operation, all, failures(results))
		results = slices.DeleteFunc(results, func(r Result) bool { return r.Outcome == Failed })
	}
	for _, r := range folded(results) {
		k.report(r)
	}
}

func failures(results []Result) int {
	n := 0
	for _, r := range results {
		if r.Outcome == Failed {
			n++
		}
	}
	return n
}

// folded returns the results without failures that have the same advice as an earlier one, or follow from a call that fails while
// the CRM is well. The earlier one counts them.
func folded(results []Result) []Result {
	var kept []Result
	more := map[int]int{} // the number of failures for each kept one
	for _, r := range results {
		first := slices.IndexFunc(kept, func(before Result) bool {
			return before.Outcome == Failed && r.Outcome == Failed && (before.Advice == r.Advice || strings.HasSuffix(before.Case, wellSuffix))
		})
		if first >= 0 && !strings.HasPrefix(r.Case, recordedPrefix) {
			more[first]++
			continue
		}
		kept = append(kept, r)
	}
	for i, n := range more {
		kept[i].Message += counted(n)
	}
	return kept
}

// counted says how many more cases fail for the same reason.
func counted(n int) string {
	if n == 0 {
		return ""
	}
	return " (" + strings.Replace(cases(n), " case", " more case", 1) + " for it)"
}

func cases(n int) string {
	if n == 1 {
		return "1 case fails"
	}
	return fmt.Sprintf("%d cases fail", n)
}

const (
	wellSuffix     = ": the CRM is well"
	recordedPrefix = "recorded: "
)

// cause is a mistake that makes other cases fail. id is the same for one mistake in several operations.
type cause struct{ id, name, message, advice string }

// reportCauses reports the causes that were not reported before, the first with the number of failures of the operation.
func (k *check) reportCauses(operation string, all []cause, failures int) {
	first := true
	for _, c := range all {
		if k.reported[c.id] {
			continue
		}
		k.reported[c.id] = true
		message := c.message
		if first {
			message += counted(failures)
		}
		first = false
		k.add(c.name, Failed, message, c.advice)
	}
	if first && failures > 0 {
		k.add(operation, Failed, cases(failures)+" for a reason above", all[0].advice)
	}
}

// causesOf returns the causes in calls of an operation; of all operations if it is empty.
func (k *check) causesOf(operation string) []cause {
	var all []cause
	add := func(found []finding, name, wrong, advice string) {
		for _, f := range found {
			if operation == "" || f.operation == operation {
				all = append(all, cause{name + " " + f.key, name, fmt.Sprintf(wrong, f.what), advice})
			}
		}
	}
	for _, key := range sortedNames(k.misnamed) {
		of, member, _ := strings.Cut(key, " ")
		add([]finding{{of, key, member}}, of+": names", "its answer has the member %s, which ABI.md does not know", "did you mean "+k.misnamed[key]+"? Names are case-sensitive")
	}
	k.crm.mu.Lock()
	strange, insecure := k.crm.undeclared, k.crm.insecure
	k.crm.mu.Unlock()
	undeclared, malformed, misplaced := k.scanner.requested()
	add(misplaced, "handles", "%s", "a secret goes only where crmgate.sends says (ABI.md, Handles)")
	add(malformed, "requests", "%s", "build the URL from the hostname of the input, or from the configuration, and answer in words if it is empty")
	add(strange, "hosts", "%s, which the manifest does not declare", "add the host to crmgate.hosts if the connector needs it: until then, the server refuses these requests")
	add(insecure, "https", "%s", "use https: the server refuses http, except to a host that crmgate.hosts lists with a port")
	add(undeclared, "configuration", "%s, which the manifest does not declare", "add the name to crmgate.config: until then, it is not set")
	return all
}

func sortedNames(m map[string]string) []string {
	var all []string
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// free are the members of answers whose own members the connector's author names.
var free = []string{"platformAdditionalInfo", "headers", "query", "body", "returnMessage.details"}

// compareNames records the members of an answer that are named almost like a member in the ABI's vectors that is missing.
func (k *check) compareNames(operation string, answer doc) {
	if operation == "getLicenseStatus" {
		return // the connector's own object
	}
	known := doc{}
	for _, c := range casesOf(k.golden, operation) {
		if c.Result == 0 {
			known = known.merged(parseDoc(c.Output))
		}
	}
	k.compareMembers(operation, "", known, answer)
}

func (k *check) compareMembers(operation, at string, known, answer doc) {
	for _, name := range sortedKeys(answer) {
		if _, ok := known[name]; ok {
			if inner := known.object(name); inner != nil && !slices.Contains(free, at+name) && !slices.Contains(free, name) {
				k.compareMembers(operation, at+name+".", inner, answer.object(name))
			}
			continue
		}
		for _, meant := range sortedKeys(known) {
			if _, has := answer[meant]; !has && (strings.EqualFold(meant, name) || len(meant) >= 6 && similar(meant, name)) {
				k.misnamed[operation+" "+at+name] = at + meant
			}
		}
	}
}

// merged returns a document with the members of both, also within objects.
func (d doc) merged(other doc) doc {
	m := d
	for name, v := range other {
		if inner := other.object(name); inner != nil {
			v = map[string]any(m.object(name).merged(inner))
		}
		m = m.with(name, v)
	}
	return m
}
