package connectortest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/practice"
	"github.com/crmgate/crmgate/wasmhost"
)

// answer is what a call came to.
type answer struct {
	wasmhost.Answer
	err     error // the guest did not answer in order
	fetched int
	missing []string // requests of a good day that nothing was recorded for
}

// call runs an operation in a mood of the CRM's and looks for secrets in what comes out.
func (k *check) call(ctx context.Context, operation string, input doc, m mood) answer {
	k.crm.as(m)
	hostname := input.text("hostname")
	for _, member := range []string{"user", "oauthInfo"} {
		if hostname == "" {
			hostname = input.object(member).text("hostname")
		}
	}
	out, err := k.folder.Call(ctx, k.name, operation, hostname, input.bytes())
	a := answer{Answer: out, err: err}
	a.fetched, a.missing = k.crm.since()
	if err == nil {
		k.watch.look(operation, out.Result, out.Output)
	}
	return a
}

// told is what the answer says, in one line.
func (a answer) told() string {
	switch d := parseDoc(a.Output); {
	case a.err != nil:
		return a.broke()
	case a.Result == 2:
		return "unsupported"
	case a.Result == 1 && d["status"] != nil:
		return fmt.Sprintf("an error with status %v: %q", d["status"], clip(d.text("message")))
	case a.Result == 1:
		return fmt.Sprintf("an error: %q", clip(d.text("message")))
	case d["successful"] == false:
		return fmt.Sprintf("not successful: %q", clip(d.object("returnMessage").text("message")))
	default:
		return clip(string(a.Output))
	}
}

// broke says how the guest did not answer: the host's sentence, without the names that stand in the line already.
func (a answer) broke() string {
	var ce *crmgate.ConnectorError
	if !errors.As(a.err, &ce) {
		return a.err.Error()
	}
	how := strings.TrimPrefix(ce.Message, fmt.Sprintf("The connector of %s ", ce.Platform))
	how = "it " + strings.TrimSuffix(how, fmt.Sprintf(" in %s.", ce.Operation))
	if how == "it trapped" && ce.Err != nil {
		cause, _, _ := strings.Cut(ce.Err.Error(), "\n")
		how += " (" + cause + ")"
	}
	return how
}

// clip shortens foreign text for a line.
func clip(s string) string {
	if len(s) > 120 {
		s = s[:120] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// succeeded reports whether the answer is the one that everybody hopes for.
func (a answer) succeeded() bool {
	return a.err == nil && a.Result == 0 && parseDoc(a.Output)["successful"] != false
}

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

// checkIdentity: a person is who they are whatever credential they come with, and two people are two.
func (k *check) checkIdentity(ctx context.Context, inputs map[string]doc) {
	const name, advice = "getUserInfo: who is who", "make the id of what the CRM calls the person by, and of nothing else: it is theirs for good"
	k.watch.at(name)
	id := func(input doc) string {
		return fmt.Sprint(parseDoc(k.call(ctx, "getUserInfo", input, "").Output).object("platformUserInfo")["id"])
	}
	input := inputs["getUserInfo"]
	want, same, other := k.recordedID(), "", ""
	switch {
	case input == nil || ctx.Err() != nil:
		return
	case k.atPracticeCRM() && k.manifest.AuthType == crmgate.OAuth:
		for who, into := range map[string]*string{"ada": &want, "ada again": &same, "grace": &other} {
			login, _, _ := strings.Cut(who, " ")
			access, err := k.practiceToken(ctx, login)
			if err != nil {
				k.say(name, Failed, err.Error(), "")
				return
			}
			k.watch.secret("the access token", access)
			*into = id(input.with("authHeader", "Bearer "+access))
		}
	case want != "" && !k.atPracticeCRM():
		same = id(input)
	default:
		return
	}
	switch {
	case want == "<nil>": // it does not succeed, which was said
	case want != same:
		k.say(name, Failed, fmt.Sprintf("with another credential, %s is %s", clip(want), clip(same)), advice)
	case want == other:
		k.say(name, Failed, fmt.Sprintf("two people are both %s", clip(want)), advice)
	default:
		k.say(name, OK, "an id for each person, whatever the credential", "")
	}
}

// recordedID is the id of the first recorded sign-in that succeeded; empty if there is none.
func (k *check) recordedID() string {
	for _, c := range of(k.own, "getUserInfo") {
		if c.glad() {
			return fmt.Sprint(parseDoc(c.Output).object("platformUserInfo")["id"])
		}
	}
	return ""
}

func (k *check) atPracticeCRM() bool {
	return k.manifest.Hosts.AllowURL("http://"+practiceHost, "") == nil
}

// replay runs a recorded case: same requests, same answer.
func (k *check) replay(ctx context.Context, operation string, c vectorCase) {
	name := "recorded: " + operation + ", " + c.Name
	k.watch.at(name)
	if !slices.Contains(k.operations, operation) {
		k.say(name, Failed, fmt.Sprintf("the module does not export %s", operation), "export it, or remove the case")
		return
	}
	p := &replay{name: name, want: c.Fetches}
	k.crm.mu.Lock()
	k.crm.replay = p
	k.crm.mu.Unlock()
	a := k.call(ctx, operation, parseDoc(c.Input), "")
	k.crm.mu.Lock()
	k.crm.replay = nil
	k.crm.mu.Unlock()
	if p.n < len(p.want) && a.err == nil {
		p.wrong = append(p.wrong, fmt.Sprintf("it makes %d requests, recorded are %d", p.n, len(p.want)))
	}
	const advice = "mend the connector, or record the case anew if the CRM has changed"
	switch {
	case a.err != nil:
		k.say(name, Failed, a.told(), advice)
	case len(p.wrong) > 0:
		k.say(name, Failed, p.wrong[0], advice)
	case a.Result != c.Result || !equal(a.Output, c.Output):
		k.say(name, Failed, fmt.Sprintf("it answers %d %s, recorded is %d %s", a.Result, clip(string(a.Output)), c.Result, clip(compact(c.Output))), advice)
	default:
		k.say(name, OK, a.told(), "")
	}
}

func equal(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return reflect.DeepEqual(parseDoc(a), parseDoc(b)) // numbers as they are written: ids are longer than a float
}

func compact(b []byte) string { return string(parseDoc(b).bytes()) }

// inputs are requests that the CRM is glad about, by operation: from the connector's vectors with credentials of our own
// put in, or from a sign-in at the practice CRM. An operation without one is only met by a CRM in a mood.
func (k *check) inputs(ctx context.Context) map[string]doc {
	inputs := map[string]doc{}
	for _, v := range k.own {
		for _, c := range v.Cases {
			if c.glad() {
				k.crm.learn(c.Fetches)
			}
			if c.glad() && inputs[v.Operation] == nil {
				inputs[v.Operation] = k.masked(ctx, c.Input)
			}
		}
	}
	if k.atPracticeCRM() {
		k.atPractice(ctx, inputs)
	}
	inputs["getAuthType"] = doc{}
	if inputs["getBasicAuth"] == nil {
		inputs["getBasicAuth"] = doc{"apiKey": k.canary("the API key")}
	}
	if inputs["getOauthInfo"] == nil && k.call(ctx, "getOauthInfo", doc{}, "").succeeded() { // some need a host
		inputs["getOauthInfo"] = doc{}
	}
	return inputs
}

// canary makes a credential that is nobody's, to be looked for in what comes out.
func (k *check) canary(name string) string {
	value := "check-" + rand.Text()
	k.watch.secret(name, value)
	return value
}

// masked puts credentials of ours in the place of those that were recorded.
func (k *check) masked(ctx context.Context, input []byte) doc {
	d := parseDoc(input)
	mask := func(name, old string) {
		if old != "" {
			d = doc(replaced(map[string]any(d), old, k.mask(name, old)).(map[string]any))
		}
	}
	scheme, credential, _ := strings.Cut(d.text("authHeader"), " ")
	key := d.text("apiKey")
	if key == "" {
		key = d.object("additionalInfo").text("apiKey")
	}
	mask("the API key", key)
	for name, v := range d.object("additionalInfo") { // any text of a form may be a credential; an address is part of how the CRM is asked
		if s, ok := v.(string); ok && s != key && len(s) >= 8 && !strings.ContainsAny(s, "./") {
			mask("the form's "+name, s)
		}
	}
	mask("the code", d.text("code"))
	mask("the refresh token", d.text("refreshToken"))
	mask("the client secret", d.object("oauthInfo").text("clientSecret"))
	if scheme == "Bearer" {
		mask("the access token", credential)
	}
	if scheme == "Basic" {
		d["authHeader"] = k.basic(ctx, d, key, credential)
	}
	return d
}

// mask makes a credential to stand in for a recorded one, and has the CRM know it by that.
func (k *check) mask(name, recorded string) string {
	ours := k.canary(name)
	k.crm.knowAs(ours, recorded)
	return ours
}

// replaced puts a text in another's place in all texts of a document.
func replaced(v any, old, ours string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, old, ours)
	case map[string]any:
		m := map[string]any{}
		for name, member := range v {
			m[name] = replaced(member, old, ours)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, element := range v {
			l[i] = replaced(element, old, ours)
		}
		return l
	}
	return v
}

// basic asks the connector what its API key's header is; in operations on a person, whose key is not in the input, it
// makes one up.
func (k *check) basic(ctx context.Context, d doc, recorded, header string) string {
	key := d.text("apiKey")
	if key == "" || recorded == "" {
		decoded, _ := base64.StdEncoding.DecodeString(header)
		recorded, _, _ = strings.Cut(string(decoded), ":")
		key = k.mask("the API key", recorded)
	}
	a := k.call(ctx, "getBasicAuth", doc{"apiKey": key}, "")
	basic := parseDoc(a.Output).text("basic")
	k.watch.secret("the API key", basic)
	k.crm.knowAs(basic, header)
	return "Basic " + basic
}

// atPractice signs a person in at the practice CRM.
func (k *check) atPractice(ctx context.Context, inputs map[string]doc) {
	in := doc{"hostname": "", "platform": k.name}
	if k.manifest.AuthType == crmgate.APIKey {
		k.watch.secret("the API key", practice.APIKey)
		a := k.call(ctx, "getBasicAuth", doc{"apiKey": practice.APIKey}, "")
		inputs["getBasicAuth"] = doc{"apiKey": practice.APIKey}
		in["authHeader"] = "Basic " + parseDoc(a.Output).text("basic")
		in["apiKey"], in["additionalInfo"] = practice.APIKey, doc{"apiKey": practice.APIKey}
	} else {
		access, err := k.practiceToken(ctx, "ada")
		if err != nil {
			k.say("practice CRM", Failed, err.Error(), "")
			return
		}
		k.watch.secret("the access token", access)
		in["authHeader"], in["data"] = "Bearer "+access, doc{"token_type": "Bearer"}
	}
	inputs["getUserInfo"] = in
	// Who signed in is what operations on a person get.
	who := parseDoc(k.call(ctx, "getUserInfo", in, "").Output).object("platformUserInfo")
	person := doc{"authHeader": in["authHeader"], "user": doc{
		"id": who["id"], "platform": k.name, "hostname": "", "rcAccountId": "1", "tokenExpiry": "2030-01-01T00:00:00Z", "platformAdditionalInfo": who["platformAdditionalInfo"],
	}}
	for _, operation := range []string{"authValidation", "refreshUserInfo", "unAuthorize", "postSaveUserInfo", "getLicenseStatus"} {
		inputs[operation] = person
	}
}

// practiceToken lets a person sign in at the practice CRM.
func (k *check) practiceToken(ctx context.Context, login string) (string, error) {
	k.crm.as("")
	const redirect = publicURL + "/redirect.html"
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	landed, err := practice.Browse(ctx, client, k.crm.url()+"/oauth/authorize?response_type=code&client_id="+practice.ClientID+"&redirect_uri="+url.QueryEscape(redirect), login)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(landed)
	if err != nil {
		return "", err
	}
	resp, err := client.PostForm(k.crm.url()+"/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "redirect_uri": {redirect},
		"client_id": {practice.ClientID}, "client_secret": {practice.ClientSecret},
	})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var token struct {
		Access string `json:"access_token"`
	}
	err = json.NewDecoder(resp.Body).Decode(&token)
	return token.Access, err
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
	k.folder.Renew(k.name) // what another operation left in memory is not there on another day
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

// aGoldenInput is the first of the ABI's own inputs, with credentials of ours.
func (k *check) aGoldenInput(operation string) doc {
	for _, c := range of(k.golden, operation) {
		return k.ours(parseDoc(c.Input))
	}
	return doc{}
}

// ours makes a golden input one of this platform, with credentials that are looked for.
func (k *check) ours(d doc) doc {
	if d["platform"] != nil {
		d["platform"] = k.name
	}
	if u := d.object("user"); u != nil {
		u["platform"] = k.name
	}
	for member, name := range map[string]string{"refreshToken": "the refresh token", "code": "the code", "apiKey": "the API key"} {
		if d[member] != nil {
			d[member] = k.canary(name)
		}
	}
	if o := d.object("oauthInfo"); o != nil && o["clientSecret"] != nil {
		o["clientSecret"] = k.canary("the client secret")
	}
	scheme, _, _ := strings.Cut(d.text("authHeader"), " ")
	switch {
	case scheme == "":
	case k.manifest.AuthType == crmgate.APIKey:
		d["authHeader"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(k.canary("the API key")+":"))
	default:
		d["authHeader"] = "Bearer " + k.canary("the access token")
	}
	return d
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

// rounds is how often Repeats calls are made while memory grows in the second half: a garbage collector lets it grow
// until it first runs.
const rounds = 8

// plenty is more memory than a connector in any language was seen to need.
const plenty = 48 << 20

// longest is how long the repeats of one operation may take.
const longest = 30 * time.Second

// repeat calls the operation many times: ids stay, and memory does.
func (k *check) repeat(ctx context.Context, operation string, input doc, glad bool, good answer) {
	name := fmt.Sprintf("%s: %d calls", operation, k.Repeats)
	k.watch.at(name)
	m := mood("")
	if !glad {
		m = "401"
	}
	ids := map[string]bool{}
	var before, after int64
	began, calls := time.Now(), 0
	slow := false
	for range rounds {
		for i := range k.Repeats {
			if slow = time.Since(began) > longest; slow && i > k.Repeats/2 {
				break
			}
			// An error is an answer that is met as often: it may leave something behind as well.
			m := m
			if glad && i%4 == 3 && good.fetched > 0 {
				m = "500"
			}
			if i == k.Repeats/2 {
				before = k.folder.MemorySize(k.name)
			}
			a := k.call(ctx, operation, input, m)
			if ctx.Err() != nil {
				return // it was stopped from outside
			}
			calls++
			if a.err != nil {
				k.say(name, Failed, fmt.Sprintf("call %d: %s", calls, a.told()), "a call leaves the module fit for the next one: free what it allocates, and keep nothing")
				return
			}
			// A revoked token stays revoked at the practice CRM: its second logout may go otherwise.
			if glad && m == "" && operation != "unAuthorize" && (a.Result != good.Result || a.succeeded() != good.succeeded() || a.fetched != good.fetched) {
				k.say(name, Failed, fmt.Sprintf("call %d, of the same request: %s", calls, a.told()), keepNothing)
				return
			}
			if who := parseDoc(a.Output).object("platformUserInfo"); who != nil {
				ids[fmt.Sprint(who["id"])] = true
			}
		}
		if after = k.folder.MemorySize(k.name); after <= before || slow {
			break
		}
	}
	took := time.Since(began) / time.Duration(max(calls, 1))
	switch {
	case len(ids) > 1:
		k.say(name, Failed, fmt.Sprintf("the same person got %d ids, such as %s", len(ids), firstTwo(ids)), "make the id of what the CRM calls the person by, and of nothing else: it is theirs for good")
	case after > plenty:
		k.say(name, Failed, fmt.Sprintf("it holds %s of memory after %d calls, and the server gives it 64 MB", bytesText(after), calls), "free what a call allocates, the calls that fail as well: an instance serves many")
	case after > before && !slow:
		k.say(name, Failed, fmt.Sprintf("memory grows without end: it went from %s to %s in the last %d calls", bytesText(before), bytesText(after), k.Repeats-k.Repeats/2),
			"free what a call allocates: an instance serves many calls")
	default:
		id := ""
		if len(ids) == 1 {
			id = "one id; "
		}
		if slow {
			k.say(name, Warning, fmt.Sprintf("only %d calls were made: each takes %v", calls, took.Round(time.Microsecond)), "do less in a call: a person waits for it")
			return
		}
		k.say(name, OK, fmt.Sprintf("%smemory stays at %s; %v a call", id, bytesText(after), took.Round(time.Microsecond)), "")
	}
}

func firstTwo(set map[string]bool) string {
	var all []string
	for s := range set {
		all = append(all, fmt.Sprintf("%.40q", s))
	}
	slices.Sort(all)
	return strings.Join(all[:min(2, len(all))], " and ")
}
