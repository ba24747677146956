package connectortest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
)

// checkOperations runs the recorded cases, then all cases of each operation.
func (k *check) checkOperations(ctx context.Context) {
	for _, v := range k.own {
		k.inGroup(v.Operation, func() {
			for _, c := range v.Cases {
				if ctx.Err() == nil {
					k.replay(ctx, v.Operation, c)
				}
			}
		})
	}
	k.scanner.setConfigured(true)
	k.scanner.setCase("the sign-in")
	inputs := k.inputs(ctx)
	k.checkClientIDs(ctx, inputs["getOauthInfo"])
	for _, operation := range k.operations {
		if ctx.Err() != nil {
			return
		}
		k.inGroup(operation, func() {
			k.checkOperation(ctx, operation, inputs)
			if operation == "getUserInfo" {
				k.checkIdentity(ctx, inputs)
			}
		})
	}
}

// condition is a faulty behaviour of the CRM, and its name.
type condition struct {
	name      string
	behaviour behaviour
}

var conditions = []condition{
	{"the CRM answers 401", "401"}, {"the CRM answers 403", "403"}, {"the CRM answers 429", "429"}, {"the CRM answers 500", "500"},
	{"the CRM answers with an HTML page", htmlPage}, {"the CRM answers with an empty body", empty}, {"the CRM's answer is truncated", truncated},
	{"the CRM does not answer", silent},
}

// checkOperation runs all cases of one operation.
func (k *check) checkOperation(ctx context.Context, operation string, inputs map[string]doc) {
	input, known := inputs[operation]
	fetches := true
	var good callResult
	if known {
		if good = k.checkNormal(ctx, operation, input); good.err != nil {
			return // the other cases would fail in the same way
		}
		fetches = good.fetched > 0
	} else {
		input = k.goldenInput(operation)
		k.add(operation+": the CRM is well", Skipped, "there is no recorded case in which "+operation+" succeeds",
			fmt.Sprintf("record one in %s.vectors.json (ABI.md, The vectors): otherwise the CRM's answers are not known", k.name))
		k.call(ctx, operation, input, invented) // many connectors take it for a success, which shows the names of their members
	}
	k.checkGoldenInputs(ctx, operation, input)
	if fetches {
		for _, w := range conditions {
			if ctx.Err() != nil {
				return
			}
			k.scanner.setCase(operation + ", " + w.name)
			a := k.call(ctx, operation, input, w.behaviour)
			if a.fetched == 0 && a.err == nil {
				if known {
					k.add(operation+": "+w.name, Failed, otherRequests, sameAnswer)
				}
				continue // it makes no request
			}
			o, message, advice := assess(operation, w, a)
			k.add(operation+": "+w.name, o, message, advice)
		}
	}
	k.checkRepeated(ctx, operation, input, known, good)
}

// checkNormal calls the operation while the CRM behaves normally.
func (k *check) checkNormal(ctx context.Context, operation string, input doc) callResult {
	k.scanner.setCase(operation)
	a := k.call(ctx, operation, input, "")
	name := operation + ": the CRM is well"
	if a.fetched == 0 {
		name = operation + ": its answer"
	}
	switch {
	case a.err != nil:
		k.add(name, Failed, a.summary(), "ABI.md specifies the input and the answer of "+operation)
	case len(a.missing) > 0:
		k.add(name, Failed, "it makes a request that is not recorded: "+a.missing[0], fmt.Sprintf("record the CRM's answer in %s.vectors.json", k.name))
	case a.Result == 2:
		k.add(name, Warning, "it is exported, but answers that it is unsupported", "remove the export: /implementedInterfaces lists it for clients")
	case !a.succeeded():
		k.add(name, Failed, a.problem(), "with a valid credential and a working CRM, the operation should succeed")
	default:
		o, message, advice := k.checkSuccess(operation, input, a)
		k.add(name, o, message, advice)
		k.scanForTokens(a)
		k.checkUnknownMembers(ctx, operation, input, a)
		k.checkSlowCRM(ctx, operation, input, a)
	}
	return a
}

// scanForTokens makes the scanner look for the tokens of a refresh.
func (k *check) scanForTokens(a callResult) {
	d := parseDoc(a.Output)
	for member, name := range map[string]string{"accessToken": "the new access token", "refreshToken": "the new refresh token"} {
		k.scanner.addSecret(name, d.text(member))
	}
}

// checkSuccess checks a successful answer.
func (k *check) checkSuccess(operation string, input doc, a callResult) (Outcome, string, string) {
	d := parseDoc(a.Output)
	switch operation {
	case "getUserInfo":
		who := d.object("platformUserInfo")
		if who == nil {
			return Failed, "platformUserInfo is missing in its answer", "ABI.md specifies the answer of getUserInfo"
		}
		id := fmt.Sprint(who["id"])
		switch stem := strings.TrimSuffix(id, "-"+string(k.name)); stem {
		case "", "0", "undefined", "null", "NaN", "<nil>":
			return Failed, fmt.Sprintf("the id is %q", id), "make the id from the CRM's id of the user: with this one, all users are the same"
		}
		if !strings.HasSuffix(id, "-"+string(k.name)) {
			return Warning, fmt.Sprintf("the id is %q", id), "ids usually end with the platform's name: 123-" + string(k.name)
		}
		if who.text("name") == "" {
			return Warning, fmt.Sprintf("%s has no name", id), "answer platformUserInfo.name: it is shown to users"
		}
		return OK, fmt.Sprintf("%s, %s", id, who.text("name")), ""
	case "getOauthInfo":
		endpoint := d.text("accessTokenUri")
		if endpoint == "" && d.text("failMessage") == "" {
			return Warning, "accessTokenUri is missing", "answer the CRM's token endpoint, unless each organisation has its own"
		}
		for _, member := range []string{"accessTokenUri", "revocationUri"} {
			to := d.text(member)
			if to == "" {
				continue
			}
			if err := k.manifest.Hosts.AllowURL(to, input.text("hostname")); err != nil {
				if input.text("hostname") == "" && !strings.Contains(crmgate.HostOf(to), ".") {
					return Warning, fmt.Sprintf("%s is %q: the input of this case has no hostname", member, crmgate.Clip(to)),
						fmt.Sprintf("record a case of getOauthInfo with a hostname in %s.vectors.json (ABI.md, The vectors)", k.name)
				}
				return Failed, member + ": " + err.Error(), "add the host to crmgate.hosts"
			}
			if err := k.manifest.CheckTokenURL(member, to, input.text("hostname")); err != nil {
				return Failed, errors.Unwrap(err).Error(), "this endpoint gets tokens (ABI.md, Application)"
			}
		}
		return OK, endpoint, ""
	case "getBasicAuth":
		if scheme, _, ok := strings.Cut(d.text("basic"), " "); ok && strings.EqualFold(scheme, "Basic") {
			return Failed, "basic begins with the scheme", "answer what follows \"Basic \" in the header: the server adds the scheme"
		}
		return OK, "answered", "" // the answer contains secrets
	case "checkAndRefreshAccessToken", "getOverridingOAuthOption":
		return OK, "answered", "" // the answer contains secrets
	}
	return OK, a.summary(), ""
}

const (
	otherRequests = "it makes fewer or more requests than in the first call"
	sameAnswer    = "answer the same request in the same way: an operation must not depend on chance or on the time"
)

// checkUnknownMembers adds a member to the input, as a later version of the ABI may do. The connector must ignore it.
func (k *check) checkUnknownMembers(ctx context.Context, operation string, input doc, before callResult) {
	name := operation + ": unknown members"
	a := k.call(ctx, operation, input.with("aMemberOfALaterVersion", doc{"x": []any{1, nil, "y"}}), "")
	if a.err != nil || a.Result != before.Result || a.succeeded() != before.succeeded() {
		k.add(name, Failed, a.summary(), "ignore unknown members: later versions of the ABI may add some")
		return
	}
	if a.fetched != before.fetched {
		k.add(name, Failed, otherRequests, sameAnswer)
		return
	}
	k.add(name, OK, "ignored", "")
}

// checkSlowCRM calls the operation while the CRM is slow.
func (k *check) checkSlowCRM(ctx context.Context, operation string, input doc, before callResult) {
	if before.fetched == 0 {
		return
	}
	a := k.call(ctx, operation, input, slow)
	if a.err != nil || a.Result != before.Result || a.succeeded() != before.succeeded() {
		k.add(operation+": the CRM is slow", Failed, a.summary(), fmt.Sprintf("do not set timeoutMs: an answer may take %v", slowDelay))
		return
	}
	k.add(operation+": the CRM is slow", OK, "it waits", "")
}

// checkGoldenInputs calls the operation with all inputs in the ABI's vectors.
func (k *check) checkGoldenInputs(ctx context.Context, operation string, good doc) {
	name := operation + ": all documented inputs"
	k.scanner.setCase(name)
	cases := casesOf(k.golden, operation)
	for _, c := range cases {
		hostname := good.text("hostname")
		if user := good.object("user"); user != nil {
			hostname = user.text("hostname")
		}
		input := k.withOwnCredentials(k.onDeclaredHosts(parseDoc(c.Input), hostname))
		if a := k.call(ctx, operation, input, ""); a.err != nil {
			k.add(name, Failed, fmt.Sprintf("with the input of the case %q%s: %s", c.Name, k.suspect(ctx, operation, input, a), a.summary()), "ABI.md specifies the input and the answer of "+operation+"; for an input that it cannot use, return 1 with a message")
			return
		}
	}
	k.add(name, OK, "answered as ABI.md says", "")
}

// suspect says which member of an input makes an operation fail: the one without which it works, or the missing one with which
// it works. If there is none, it lists the members.
func (k *check) suspect(ctx context.Context, operation string, input doc, failed callResult) string {
	all := ", which has " + strings.Join(sortedKeys(input), ", ")
	if errors.Is(failed.err, context.DeadlineExceeded) {
		return all // each try would take as long
	}
	k.crm.setTrying(true)
	defer k.crm.setTrying(false)
	works := func(changed doc) bool { return k.call(ctx, operation, changed, "").err == nil }
	if member := superfluous(input, works); member != "" {
		return ", because of its member " + member
	}
	for _, c := range casesOf(k.golden, operation) {
		other := k.withOwnCredentials(k.onDeclaredHosts(parseDoc(c.Input), ""))
		for _, name := range sortedKeys(other) {
			if _, has := input[name]; !has && works(input.with(name, other[name])) {
				return ", because it has no member " + name
			}
		}
	}
	return all
}

// superfluous returns the path of a member without which an input works, or "".
func superfluous(input doc, works func(doc) bool) string {
	for _, name := range sortedKeys(input) {
		if !works(input.without(name)) {
			continue
		}
		inner := superfluous(input.object(name), func(changed doc) bool { return works(input.with(name, map[string]any(changed))) })
		return strings.TrimSuffix(name+"."+inner, ".")
	}
	return ""
}

// assess decides whether an operation handled the CRM's failure correctly.
func assess(operation string, w condition, a callResult) (Outcome, string, string) {
	d := parseDoc(a.Output)
	decides := operation == "getUserInfo" || operation == "authValidation" || operation == "refreshUserInfo" || operation == "checkAndRefreshAccessToken"
	status := map[behaviour]string{"401": "401", "403": "403", "429": "429", "500": "500"}[w.behaviour]
	const inWords = `answer {"successful": false, "returnMessage": {"message": …}}, which is shown to the user`
	switch {
	case errors.Is(a.err, context.DeadlineExceeded):
		return Failed, a.summary(), "use a shorter timeout: a user waits, and the server ends a call after ten seconds"
	case a.err != nil:
		return Failed, a.summary(), "handle failures of the CRM: " + inWords + `, or return 1 with {"message": …, "status": …}`
	case a.Result == 2:
		return OK, a.summary(), ""
	case a.Result == 1 && operation == "getUserInfo" && w.behaviour == "401":
		return Failed, a.summary(), "do not return an error for a rejected credential: " + inWords
	case a.Result == 1 && status != "" && fmt.Sprint(d["status"]) != status:
		return Warning, a.summary(), fmt.Sprintf(`put the CRM's status in the error: {"message": …, "status": %s}`, status)
	case a.Result == 1:
		return OK, a.summary(), ""
	case decides && a.succeeded():
		return Failed, "it treats this as a success: " + a.summary(), "check the status and the required members of the CRM's answer"
	case decides && d.object("returnMessage").text("message") == "":
		return Warning, "it is not successful, but has no message", "add a returnMessage that tells the user what to do"
	}
	return OK, a.summary(), ""
}
