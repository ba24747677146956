package practicecrm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Mood is how the practice CRM misbehaves until the next one. The zero Mood is a good day. The fields for token
// requests act in the order in which they stand here. As JSON, durations are texts: {"status":429,"retryAfter":"30s"}.
type Mood struct {
	// Latency passes before a token request is looked at.
	Latency time.Duration
	// Hang leaves token requests unanswered until the client leaves or the mood changes; then the connection is cut.
	Hang bool
	// CutBefore cuts the connection of a token request that has had no effect.
	CutBefore bool
	// Status, if not 0, answers token requests, with a text that is no JSON and without effect: 429, 500, 503.
	Status int
	// RetryAfter goes with Status, as a header of whole seconds; 0: no such header.
	RetryAfter time.Duration
	// Error, if set, is the OAuth error that answers token requests, without effect.
	Error string
	// CutAfter cuts the connection of a token request after its effect: the code is redeemed, the refresh token rotated.
	CutAfter bool
	// Token names the form of token answers: a TokenAnswer's Name; empty: "json".
	Token string

	// Quirks is what token requests must be like.
	Quirks Quirks
	// RefreshQuirks is what those with a refresh token must be like, if not as Quirks says.
	RefreshQuirks *Quirks
	// NoPKCE answers authorization requests that have a challenge with invalid_request, as some servers do that do not know it.
	NoPKCE bool
	// AuthorizeScope, if set, is what the scope of authorization requests must be, as it stands in the URL: "read+write".
	AuthorizeScope string

	// Me, Revoke and RingCentral are what those endpoints do, without effect: "401", "500" or another status, "html",
	// "empty", "cut" or "hang".
	Me, Revoke, RingCentral string
}

// UnmarshalJSON reads a mood as people write it. Unknown members are an error, lest a misspelt mood be a good day.
func (m *Mood) UnmarshalJSON(b []byte) error {
	type plain Mood
	text := struct {
		*plain
		Latency, RetryAfter string // shadow the numbers
	}{plain: (*plain)(m)}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(&text)
	if err == nil && text.Latency != "" {
		m.Latency, err = time.ParseDuration(text.Latency)
	}
	if err == nil && text.RetryAfter != "" {
		m.RetryAfter, err = time.ParseDuration(text.RetryAfter)
	}
	return err
}

// check says what in a mood does not exist.
func (c *CRM) check(m Mood) error {
	if _, ok := c.answers[m.Token]; !ok && m.Token != "" {
		return fmt.Errorf("there is no token answer %q", m.Token)
	}
	if m.Status != 0 && (m.Status < 200 || m.Status > 599) {
		return fmt.Errorf("there is no status %d", m.Status)
	}
	for _, q := range []*Quirks{&m.Quirks, m.RefreshQuirks} {
		if err := q.check(); err != nil {
			return err
		}
	}
	for _, s := range []string{m.Me, m.Revoke, m.RingCentral} {
		switch s {
		case "", "html", "empty", "cut", "hang":
		default:
			if n, err := strconv.Atoi(s); err != nil || n < 200 || n > 599 {
				return fmt.Errorf("there is no mood %q", s)
			}
		}
	}
	return nil
}

// SetMood changes the mood from the next request on; requests that hang are cut. It panics if the mood names what does
// not exist, which is a mistake in a test.
func (c *CRM) SetMood(m Mood) {
	if err := c.check(m); err != nil {
		panic("practice: " + err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mood = m
	close(c.changed)
	c.changed = make(chan struct{})
}

// takeMood is SetMood over HTTP.
func (c *CRM) takeMood(w http.ResponseWriter, r *http.Request) {
	var m Mood
	err := json.NewDecoder(r.Body).Decode(&m)
	if err == nil {
		err = c.check(m)
	}
	if err != nil {
		writeJSON(w, 400, map[string]string{"error": err.Error()})
		return
	}
	c.SetMood(m)
	w.WriteHeader(204)
}

// misbehave does what a mood says of an endpoint; false if that is nothing.
func misbehave(w http.ResponseWriter, r *http.Request, how string, changed <-chan struct{}) bool {
	switch how {
	case "":
		return false
	case "html":
		w.Header().Set("Content-Type", typeHTML)
		_, _ = w.Write([]byte("<!doctype html><title>Maintenance</title><p>We will be back soon."))
	case "empty":
		w.WriteHeader(200)
	case "cut":
		writeShort(w, 200, `{"id":1,"na`)
	case "hang":
		hang(r.Context(), changed)
	default:
		status, _ := strconv.Atoi(how) // check saw that it is one
		writeJSON(w, status, map[string]string{"message": "in a mood"})
	}
	return true
}

// cut ends the connection without another byte.
func cut() { panic(http.ErrAbortHandler) } // net/http's way of saying so

// hang waits for the client to leave or the mood to change, and cuts the connection.
func hang(ctx context.Context, changed <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-changed:
	}
	cut()
}

// pause lets time pass, and cuts the connection if the client leaves first.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		cut()
	}
}
