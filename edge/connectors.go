package edge

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/wasmhost"
)

// Connectors lists the connectors: those of the running node or, without a node, those of the folder.
func (c *Client) Connectors(ctx context.Context) (all []operator.Connector, err error) {
	empty, err := badger.Empty(c.config.Data)
	if err == nil && !empty {
		return all, c.ask(ctx, http.MethodGet, "/connectors", &all)
	}
	return newCore(c.config).survey(ctx) // no server has run here
}

// connectors lists the connectors that are served, and those that are left out.
func (c *core) connectors(ctx context.Context) ([]operator.Connector, error) {
	s := c.served.Load()
	leftOut, kept := s.leftOut(), s.folder.Kept()
	all := []operator.Connector{}
	for _, d := range s.folder.Describe() {
		o, err := c.connectorOf(ctx, d)
		if err != nil {
			return nil, err
		}
		o.State = operator.Served
		o.Running = &operator.RunningModule{Isolation: "process", PID: d.Pid, Memory: d.Memory, Loaded: d.InMemory, Calls: d.Calls, Errors: d.Failed, P95: d.P95.Seconds()}
		if c.GuestProcesses == 0 {
			o.Running.Isolation = "none"
		}
		if why := kept[d.Platform]; why != nil {
			o.State, o.Reason = operator.Kept, why.Error()
		}
		if why := leftOut[d.Platform]; why != nil { // a setting
			o.State, o.Reason = operator.LeftOut, why.Error()
		}
		all = append(all, o)
	}
	return withLeftOut(all, leftOut), nil
}

// survey lists the connectors of the folder. It needs no server; what they were before is in the store, if that is open.
func (c *core) survey(ctx context.Context) ([]operator.Connector, error) {
	if err := c.checkConnectors(); err != nil {
		return nil, err
	}
	found, wrong, err := wasmhost.Survey(c.Connectors, "http://localhost")
	if err != nil {
		return nil, err
	}
	all := []operator.Connector{}
	for _, d := range found {
		o, err := c.connectorOf(ctx, d)
		if err != nil {
			return nil, err
		}
		o.State = operator.NotRunning
		all = append(all, o)
	}
	return withLeftOut(all, wrong), nil
}

// withLeftOut adds the platforms that are left out and not listed yet, and sorts the list.
func withLeftOut(all []operator.Connector, leftOut map[crmgate.Platform]error) []operator.Connector {
	for p, why := range leftOut {
		if !slices.ContainsFunc(all, func(o operator.Connector) bool { return o.Platform == p }) {
			all = append(all, operator.Connector{Platform: p, State: operator.LeftOut, Reason: why.Error(), Capabilities: []string{}})
		}
	}
	slices.SortFunc(all, func(a, b operator.Connector) int { return cmp.Compare(a.Platform, b.Platform) })
	return all
}

// connectorOf returns what a description and the store say about a connector.
func (c *core) connectorOf(ctx context.Context, d wasmhost.Description) (operator.Connector, error) {
	o := operator.Connector{Platform: d.Platform, Language: d.Language, Size: d.Size, Module: d.Module, Capabilities: d.Capabilities, Secrets: d.Secrets}
	if c.db == nil {
		return o, nil
	}
	a, err := c.db.AcceptedConnector(ctx, d.Platform)
	if errors.Is(err, crmgate.ErrNotFound) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	was := a.Before
	if a.Module == d.Module && slices.Equal(a.Capabilities, d.Capabilities) {
		o.Since = &a.Since
	} else { // it is not accepted yet, or another node has accepted another version
		was = &a.ConnectorVersion
	}
	if was != nil {
		o.Previous = &operator.PreviousVersion{Module: was.Module, Since: was.Since, Added: without(d.Capabilities, was), Removed: []string{}}
		for _, text := range was.Capabilities {
			if !slices.Contains(d.Capabilities, text) {
				o.Previous.Removed = append(o.Previous.Removed, text)
			}
		}
	}
	return o, nil
}

// without returns the capabilities that a version does not have.
func without(capabilities []string, v *storage.ConnectorVersion) []string {
	return slices.DeleteFunc(slices.Clone(capabilities), func(text string) bool { return slices.Contains(v.Capabilities, text) })
}
