package proxy

import (
	"cmp"
	"context"
	"io"
	"net/url"

	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// audit lists the audit log's entries about the organisation, the latest first.
func (p adminPages) audit(ctx context.Context, r *request, a *org.Admin) (any, error) {
	from, err := r.param("from")
	if err != nil {
		return nil, err
	}
	entries, next, err := a.Audit(ctx, from)
	if err != nil {
		return nil, err
	}
	v := web.AdminAudit{Frame: p.frame(a, "Audit log")}
	for _, e := range entries {
		v.Entries = append(v.Entries, auditRow(e))
	}
	if next != "" {
		v.Next = p.site.adminPath("/audit") + "?from=" + url.QueryEscape(next)
	}
	return renderForm(200, func(w io.Writer) error { return p.site.pages.AdminAudit(w, v) })
}

// auditRow shows an entry.
func auditRow(e operator.AuditEntry) web.Row {
	row := web.Row{Title: e.What, State: e.Outcome, Tone: map[string]string{"ok": "good"}[e.Outcome]}
	if row.Tone == "" {
		row.Tone = "bad"
	}
	what := moment(e.Time) + ", by " + e.By
	if e.Admin != "" {
		what = moment(e.Time) + ", by " + operator.AdminName(e.Admin)
	}
	if e.Platform != "" {
		what += ", " + string(e.Platform)
	}
	if who := cmp.Or(e.Name, string(e.User)); who != "" {
		what += ", " + who
	}
	row.Sentences = []string{what}
	for _, s := range []string{e.Reason, e.Counted()} {
		if s != "" {
			row.Sentences = append(row.Sentences, s)
		}
	}
	return row
}
