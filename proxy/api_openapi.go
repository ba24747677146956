package proxy

import (
	"context"
	_ "embed" // the document
)

//go:embed openapi.yaml
var openAPIDocument string

// openAPI answers what describes all routes to those who write clients.
func (s *Server) openAPI(context.Context, *request) (any, error) { return yaml(openAPIDocument), nil }
