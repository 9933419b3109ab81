// Records what the Collector's processors do. See README.md.
package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"

	"go.opentelemetry.io/collector/processor"
)

// golden is one file: requests by name, what becomes of them under a configuration, and what is said about
// configurations that cannot be.
type golden struct {
	MadeBy    string            `json:"made_by"`
	Inputs    map[string]string `json:"inputs,omitempty"`
	Cases     []outcome         `json:"cases,omitempty"`
	Refusals  []refused         `json:"refusals,omitempty"`
	Decisions *decisions        `json:"decisions,omitempty"`
	requests  map[string]request
	factory   processor.Factory
}

type request struct {
	signal string
	bytes  []byte
}

type outcome struct {
	Input  string `json:"input"`
	Signal string `json:"signal"`
	Config string `json:"config"`
	// The request that comes out, in base64; empty when all of it is dropped.
	Output string `json:"output"`
}

type refused struct {
	Signal string `json:"signal"`
	Config string `json:"config"`
	Error  string `json:"error"`
}

func newGolden(factory processor.Factory, requests map[string]request) *golden {
	g := &golden{
		MadeBy:   "processors/goldens, the Collector's own code at v0.155.0",
		Inputs:   map[string]string{},
		requests: requests,
		factory:  factory,
	}
	for name, request := range requests {
		g.Inputs[name] = base64.StdEncoding.EncodeToString(request.bytes)
	}
	return g
}

func (g *golden) run(input, config string) {
	request := g.requests[input]
	output := collect(g.factory, config, request.signal, request.bytes)
	g.Cases = append(g.Cases, outcome{input, request.signal, config, base64.StdEncoding.EncodeToString(output)})
}

func (g *golden) refuse(signal string, configs ...string) {
	for _, config := range configs {
		g.Refusals = append(g.Refusals, refused{signal, config, refusal(g.factory, config, signal)})
	}
}

func (g *golden) write(component string) {
	folder := filepath.Join("..", "src", component, "testdata")
	must(os.MkdirAll(folder, 0o755))
	encoded, err := json.MarshalIndent(g, "", " ")
	must(err)
	must(os.WriteFile(filepath.Join(folder, "collector.json"), append(encoded, '\n'), 0o644))
}

func main() {
	attributes()
	resource()
	sampler()
	memoryLimiter()
}
