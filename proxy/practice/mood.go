package practice

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Mood is how the practice CRM misbehaves. The zero Mood is a good day.
type Mood struct {
	// Token names the form of good token answers: a TokenAnswer's Name.
	Token string `json:"token,omitempty"`
	// Error is answered to token requests in place of a token, with status 400.
	Error string `json:"error,omitempty"`
	// Status is answered to token requests, with RetryAfter if that is not zero.
	Status     int `json:"status,omitempty"`
	RetryAfter int `json:"retryAfter,omitempty"` // seconds
	// Latency is how long token requests take.
	Latency time.Duration `json:"latencyNs,omitempty"`
	// CutBefore and CutAfter break the connection of a token request before or after it took effect; Hang never answers it.
	CutBefore bool `json:"cutBefore,omitempty"`
	CutAfter  bool `json:"cutAfter,omitempty"`
	Hang      bool `json:"hang,omitempty"`
	// Me, Revoke and RingCentral are what those endpoints do: "401", "429", "500" and other statuses, "html", "empty", "cut" or "hang".
	Me          string `json:"me,omitempty"`
	Revoke      string `json:"revoke,omitempty"`
	RingCentral string `json:"ringCentral,omitempty"`
}

// SetMood changes the mood from the next request on.
func (c *CRM) SetMood(m Mood) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mood = m
}

func (c *CRM) setMood(w http.ResponseWriter, r *http.Request) {
	var m Mood
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		http.Error(w, "expected a mood in JSON: "+err.Error(), http.StatusBadRequest)
		return
	}
	c.SetMood(m)
	writeJSON(w, 200, m)
}

// misbehave does what a mood says of an endpoint; false if that is nothing.
func misbehave(w http.ResponseWriter, r *http.Request, how string) bool {
	switch how {
	case "":
		return false
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>Maintenance</title><p>We will be back soon."))
	case "empty":
	case "cut":
		cut(w)
	case "hang":
		<-r.Context().Done()
	default:
		status, err := strconv.Atoi(how)
		if err != nil || status < 200 || status > 599 {
			status = 500
		}
		writeJSON(w, status, map[string]string{"message": "in a mood"})
	}
	return true
}

// cut breaks the connection in the middle of an answer.
func cut(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"access_`))
	panic(http.ErrAbortHandler) // net/http's way of saying so
}
