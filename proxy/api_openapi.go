package proxy

import (
	"context"
	_ "embed" // the document
)

//go:embed openapi.yaml
var openAPIDocument string

// openAPI answers the OpenAPI description of the routes.
func (publicAPI) openAPI(context.Context, *request) (any, error) { return yaml(openAPIDocument), nil }
