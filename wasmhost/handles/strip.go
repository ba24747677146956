package handles

import (
	"cmp"
	"strings"

	"github.com/crmgate/crmgate/wasmhost/mask"
)

// Strip replaces the secrets that the guest must not see: by their handles in plain, JSON-escaped and percent-encoded text, and by
// "[secret]" in hex and base64.
func (s *Secrets) Strip(text string) string {
	if len(s.hidden) == 0 {
		return text
	}
	for ; s.known < len(s.hidden); s.known++ {
		h := s.hidden[s.known]
		s.finds.Add(h.value, cmp.Or(h.handle, mask.Masked))
	}
	return s.finds.Replace(text)
}

// Redact replaces all secrets in a text for people, in every encoding. cut says that the text may have been cut within a secret: then its
// end is left out.
func (s *Secrets) Redact(text string, cut bool) string {
	all := s.forPeople()
	text = strings.ToValidUTF8(text, "\uFFFD") // secrets are valid UTF-8 too: they crossed the boundary as JSON
	if cut {
		return all.ReplaceCut(text)
	}
	return all.ReplacePlain(text)
}

// forPeople returns the masks of all secrets.
func (s *Secrets) forPeople() *mask.Masks {
	if n := len(s.hidden) + len(s.visible); n != s.redacts {
		s.all = mask.Masks{}
		for _, v := range s.Values() {
			s.all.Add(v, mask.Masked)
		}
		s.redacts = n
	}
	return &s.all
}
