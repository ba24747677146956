module github.com/crmgate/crmgate/connectors-wasm

go 1.26
