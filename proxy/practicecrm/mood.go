package practicecrm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Mood says how the practice CRM misbehaves. The zero Mood is good behaviour. The fields for token requests act in the order
// in which they are listed. In JSON, durations are strings: {"status":429,"retryAfter":"30s"}.
type Mood struct {
	// Latency delays token requests.
	Latency time.Duration
	// Hang keeps token requests waiting until the client leaves or the mood changes; then the connection is cut.
	Hang bool
	// CutBefore cuts the connection of a token request before it has an effect.
	CutBefore bool
	// Status, if not 0, is the status of token requests, such as 429, 500 or 503. The body is plain text; nothing takes effect.
	Status int
	// RetryAfter is the header that goes with Status, in whole seconds; 0 for no header.
	RetryAfter time.Duration
	// Error, if set, is the OAuth error of token requests, which have no effect.
	Error string
	// CutAfter cuts the connection of a token request after its effect: the code is redeemed, the refresh token rotated.
	CutAfter bool
	// Token is the Name of a TokenAnswer, the form of token responses; default "json".
	Token string

	// Quirks is the form that token requests must have.
	Quirks Quirks
	// RefreshQuirks is the form that refreshes must have; nil for the same as Quirks.
	RefreshQuirks *Quirks
	// NoPKCE rejects authorization requests with a challenge as invalid_request, like some servers without PKCE.
	NoPKCE bool
	// NeedPKCE rejects authorization requests without a challenge as invalid_request, and says why in error_description.
	NeedPKCE bool
	// CodeFirst refuses an unknown code before it looks at the client, so a wrong secret is answered like a right one.
	CodeFirst bool
	// AuthorizeScope, if set, is the scope that authorization requests must have, as encoded in the URL: "read+write".
	AuthorizeScope string

	// Me, Revoke and RingCentral make those endpoints fail without effect: "401", "500" or another status, "html", "empty",
	// "cut" or "hang".
	Me, Revoke, RingCentral string
}

// UnmarshalJSON decodes a mood with durations as strings. An unknown member is an error, so a misspelt mood is not ignored.
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

// check validates a mood.
func (c *CRM) check(m Mood) error {
	if _, ok := c.answers[m.Token]; !ok && m.Token != "" {
		return fmt.Errorf("unknown token answer %q", m.Token)
	}
	if m.Status != 0 && (m.Status < 200 || m.Status > 599) {
		return fmt.Errorf("status %d is not in 200 to 599", m.Status)
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
				return fmt.Errorf("unknown mood %q: use html, empty, cut, hang or a status", s)
			}
		}
	}
	return nil
}

// SetMood changes the mood for later requests, and cuts hanging ones. It panics if the mood is invalid, which is a bug in the
// test.
func (c *CRM) SetMood(m Mood) {
	if err := c.check(m); err != nil {
		panic("practicecrm: " + err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mood = m
	close(c.changed)
	c.changed = make(chan struct{})
}

// ParseMood reads a mood in JSON.
func (c *CRM) ParseMood(b []byte) (m Mood, err error) {
	if err = json.Unmarshal(b, &m); err == nil {
		err = c.check(m)
	}
	return m, err
}

// takeMood handles a mood that is set over HTTP.
func (c *CRM) takeMood(w http.ResponseWriter, r *http.Request) {
	var m Mood
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err == nil {
		m, err = c.ParseMood(body)
	}
	if err != nil {
		writeJSON(w, 400, map[string]string{"error": err.Error()})
		return
	}
	c.SetMood(m)
	w.WriteHeader(204)
}

// misbehave responds as a mood says. It reports false if the endpoint shall behave well.
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
		status, _ := strconv.Atoi(how) // check has validated it
		writeJSON(w, status, map[string]string{"message": "in a mood"})
	}
	return true
}

// cut closes the connection without another byte.
func cut() { panic(http.ErrAbortHandler) } // net/http closes the connection for this panic

// hang waits for the client to leave or the mood to change, and cuts the connection.
func hang(ctx context.Context, changed <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-changed:
	}
	cut()
}

// pause waits for d, and cuts the connection if the client leaves first.
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
