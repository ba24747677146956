package connectortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

func (k *check) checkOperations(ctx context.Context) {
	for _, v := range k.own {
		for _, c := range v.Cases {
			if ctx.Err() != nil {
				return
			}
			k.replay(ctx, v.Operation, c)
		}
	}
	k.watch.configure(true)
	k.watch.at("the sign-in")
	inputs := k.inputs(ctx)
	for _, operation := range k.operations {
		if ctx.Err() != nil {
			return
		}
		k.checkOperation(ctx, operation, inputs)
	}
	k.checkIdentity(ctx, inputs)
}

// weather is a mood of the CRM's, and its name.
type weather struct {
	name string
	mood mood
}

var weathers = []weather{
	{"the CRM answers 401", "401"}, {"the CRM answers 403", "403"}, {"the CRM answers 429", "429"}, {"the CRM answers 500", "500"},
	{"the CRM answers with a page", page}, {"the CRM answers with nothing", empty}, {"the CRM's answer is cut off", half},
	{"the CRM does not answer", silent},
}

// checkOperation is all that one operation has to go through.
func (k *check) checkOperation(ctx context.Context, operation string, inputs map[string]doc) {
	k.folder.Unload(k.name) // what another operation left in memory is not there on another day
	input, glad := inputs[operation]
	fetches := true
	var good answer
	if glad {
		if good = k.onAGoodDay(ctx, operation, input); good.err != nil {
			return // all that follows would say the same
		}
		fetches = good.fetched > 0
	} else {
		input = k.aGoldenInput(operation)
		k.say(operation+": the CRM is well", Skipped, "there is no recorded case in which "+operation+" succeeds",
			fmt.Sprintf("record one in %s.vectors.json (ABI.md, The vectors): what a person's CRM answers is not known otherwise", k.name))
	}
	k.onGoldenInputs(ctx, operation, input)
	if fetches {
		for _, w := range weathers {
			if ctx.Err() != nil {
				return
			}
			k.watch.at(operation + ", " + w.name)
			a := k.call(ctx, operation, input, w.mood)
			if a.fetched == 0 && a.err == nil {
				if glad {
					k.say(operation+": "+w.name, Failed, forgetful, keepNothing)
				}
				continue // it asks the CRM nothing
			}
			o, message, advice := judge(operation, w, a)
			k.say(operation+": "+w.name, o, message, advice)
		}
	}
	// unAuthorize ends what the practice CRM has granted; its calls come again all the same.
	k.repeat(ctx, operation, input, glad, good)
}

// onAGoodDay reports whether the operation asks the CRM anything, and whether it answers in order.
func (k *check) onAGoodDay(ctx context.Context, operation string, input doc) answer {
	k.watch.at(operation)
	a := k.call(ctx, operation, input, "")
	name := operation + ": the CRM is well"
	if a.fetched == 0 {
		name = operation + ": its answer"
	}
	switch {
	case a.err != nil:
		k.say(name, Failed, a.told(), "ABI.md says what "+operation+" takes and answers")
	case len(a.missing) > 0:
		k.say(name, Failed, "it asks the CRM for what was not recorded: "+a.missing[0], fmt.Sprintf("record the CRM's answer in %s.vectors.json", k.name))
	case a.Result == 2:
		k.say(name, Warning, "it is exported, and answers that it is unsupported", "leave the export out: /implementedInterfaces tells clients that it is there")
	case !a.succeeded():
		k.say(name, Failed, a.told(), "a CRM that is well and a credential that is good should be a success")
	default:
		o, message, advice := k.goodAnswer(operation, input, a)
		k.say(name, o, message, advice)
		k.granted(a)
		k.later(ctx, operation, input, a)
		k.slowly(ctx, operation, input, a)
	}
	return a
}

// granted has what a refresh brought be looked for as well.
func (k *check) granted(a answer) {
	d := parseDoc(a.Output)
	for member, name := range map[string]string{"accessToken": "the new access token", "refreshToken": "the new refresh token"} {
		if s := d.text(member); len(s) >= 8 {
			k.watch.secret(name, s)
		}
	}
}

// goodAnswer looks at what a success says.
func (k *check) goodAnswer(operation string, input doc, a answer) (Outcome, string, string) {
	d := parseDoc(a.Output)
	switch operation {
	case "getUserInfo":
		who := d.object("platformUserInfo")
		id := fmt.Sprint(who["id"])
		switch stem := strings.TrimSuffix(id, "-"+string(k.name)); stem {
		case "", "0", "undefined", "null", "NaN", "<nil>":
			return Failed, fmt.Sprintf("the id is %q", id), "make the id of what the CRM calls the person by: with this one, everybody is the same person"
		}
		if !strings.HasSuffix(id, "-"+string(k.name)) {
			return Warning, fmt.Sprintf("the id is %q", id), "by custom an id ends with the platform's name: 123-" + string(k.name)
		}
		if who.text("name") == "" {
			return Warning, fmt.Sprintf("%s has no name", id), "answer platformUserInfo.name: people see who is connected"
		}
		return OK, fmt.Sprintf("%s, %s", id, who.text("name")), ""
	case "getOauthInfo":
		endpoint := d.text("accessTokenUri")
		if endpoint == "" && d.text("failMessage") == "" {
			return Warning, "it names no accessTokenUri", "answer where the CRM gives tokens, unless every organisation brings its own"
		}
		if err := k.manifest.Hosts.AllowURL(endpoint, input.text("hostname")); err != nil && endpoint != "" {
			return Failed, "accessTokenUri: " + err.Error(), "add the host to crmgate.hosts"
		}
		return OK, endpoint, ""
	case "getBasicAuth", "checkAndRefreshAccessToken", "getOverridingOAuthOption":
		return OK, "answered", "" // with secrets
	}
	return OK, a.told(), ""
}

const (
	forgetful   = "it asks the CRM less or more than when it was called first"
	keepNothing = "keep nothing in memory between calls: the next one may be another person's"
)

// later adds what a later version of the ABI may add: it must not matter.
func (k *check) later(ctx context.Context, operation string, input doc, before answer) {
	name := operation + ": members that it does not know"
	a := k.call(ctx, operation, input.with("aMemberOfALaterVersion", doc{"x": []any{1, nil, "y"}}), "")
	if a.err != nil || a.Result != before.Result || a.succeeded() != before.succeeded() {
		k.say(name, Failed, a.told(), "ignore members that you do not know: later versions of the ABI add some")
		return
	}
	if a.fetched != before.fetched {
		k.say(name, Failed, forgetful, keepNothing)
		return
	}
	k.say(name, OK, "ignored", "")
}

// slowly has the CRM take its time.
func (k *check) slowly(ctx context.Context, operation string, input doc, before answer) {
	if before.fetched == 0 {
		return
	}
	a := k.call(ctx, operation, input, slow)
	if a.err != nil || a.Result != before.Result || a.succeeded() != before.succeeded() {
		k.say(operation+": the CRM is slow", Failed, a.told(), fmt.Sprintf("an answer that takes %v is an answer: leave timeoutMs out", pace))
		return
	}
	k.say(operation+": the CRM is slow", OK, "it waits", "")
}

// onGoldenInputs gives the operation everything that the ABI's vectors say it may get.
func (k *check) onGoldenInputs(ctx context.Context, operation string, good doc) {
	name := operation + ": every member that it may be given"
	k.watch.at(name)
	cases := of(k.golden, operation)
	for _, c := range cases {
		input := k.ours(parseDoc(c.Input))
		if good["hostname"] != nil { // one that the manifest allows
			input["hostname"] = good["hostname"]
		}
		if of, with := input.object("user"), good.object("user"); of != nil && with["hostname"] != nil {
			of["hostname"] = with["hostname"]
		}
		if a := k.call(ctx, operation, input, ""); a.err != nil {
			k.say(name, Failed, a.told(), "ABI.md says what "+operation+" takes and answers; an input that it cannot use is result 1 with a message")
			return
		}
	}
	k.say(name, OK, "answered in order", "")
}

// judge says whether an operation told the CRM's trouble as it should.
func judge(operation string, w weather, a answer) (Outcome, string, string) {
	d := parseDoc(a.Output)
	decides := operation == "getUserInfo" || operation == "authValidation" || operation == "refreshUserInfo" || operation == "checkAndRefreshAccessToken"
	status := map[mood]string{"401": "401", "403": "403", "429": "429", "500": "500"}[w.mood]
	const inWords = `answer {"successful": false, "returnMessage": {"message": …}}, which the person sees`
	switch {
	case errors.Is(a.err, context.DeadlineExceeded):
		return Failed, a.told(), "give up sooner: a person waits, and the server ends a call after ten seconds"
	case a.err != nil:
		return Failed, a.told(), "a CRM in trouble is an answer too: " + inWords + `, or result 1 with {"message": …, "status": …}`
	case a.Result == 2:
		return OK, a.told(), ""
	case a.Result == 1 && operation == "getUserInfo" && w.mood == "401":
		return Failed, a.told(), "a credential that the CRM does not take is no error: " + inWords
	case a.Result == 1 && status != "" && fmt.Sprint(d["status"]) != status:
		return Warning, a.told(), fmt.Sprintf(`say the CRM's status in the error: {"message": …, "status": %s}`, status)
	case a.Result == 1:
		return OK, a.told(), ""
	case decides && a.succeeded():
		return Failed, "it takes that for a success: " + a.told(), "look at the status and at what is needed of the answer before saying successful"
	case decides && d.object("returnMessage").text("message") == "":
		return Warning, "it is not successful, and says nothing", "add a returnMessage, so that the person knows what to do"
	}
	return OK, a.told(), ""
}
