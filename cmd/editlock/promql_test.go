package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// promql reads the part of PromQL that the board and the alarms are written in, and says what is wrong with an expression: its form,
// the kinds of its values, and whether there are the metrics and labels that it names. The parser of Prometheus itself would do the
// first two, and comes in a module that asks for hundreds of others.
type promql struct {
	tokens []string
	at     int
	known  map[string]*family
	used   map[string]bool
}

// The kinds of values of an expression.
const (
	scalar = "a number"
	vector = "series"
	matrix = "series over time"
)

var token = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9]+(?:\.[0-9]+)?(?:[smhd])?|=~|!~|==|!=|>=|<=|[-+*/%^<>(){}\[\],=])`)

// functions are those that are used, with the kinds of their arguments. All of them give series.
var functions = map[string][]string{
	"rate": {matrix}, "increase": {matrix}, "histogram_quantile": {scalar, vector}, "absent": {vector},
}

var (
	aggregations = []string{"sum", "min", "max", "avg", "count"}
	// operators by how tightly they bind.
	operators = [][]string{{"or"}, {"and", "unless"}, {"==", "!=", ">", "<", ">=", "<="}, {"+", "-"}, {"*", "/", "%"}}
	// ofPrometheus are labels and metrics that the scraper adds.
	ofPrometheus = []string{"instance", "job"}
)

// parsePromQL returns the metrics that an expression names.
func parsePromQL(text string, known map[string]*family) (used map[string]bool, err error) {
	p := &promql{known: known, used: map[string]bool{}}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		t := token.FindString(rest)
		if t == "" {
			return nil, fmt.Errorf("what is %q?", rest)
		}
		p.tokens, rest = append(p.tokens, t), rest[len(t):]
	}
	defer func() {
		if wrong, ok := recover().(syntaxError); ok {
			err = wrong
		}
	}()
	if kind := p.binary(0); kind == matrix {
		p.fail("it ends as %s", kind)
	}
	if p.at < len(p.tokens) {
		p.fail("nothing should follow")
	}
	return p.used, nil
}

type syntaxError error

func (p *promql) fail(format string, args ...any) {
	panic(syntaxError(fmt.Errorf("at %q: "+format, append([]any{strings.Join(p.tokens[min(p.at, len(p.tokens)):], " ")}, args...)...)))
}

func (p *promql) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *promql) take() string {
	t := p.peek()
	p.at++
	return t
}

func (p *promql) want(t string) {
	if p.peek() != t {
		p.fail("%s is missing", t)
	}
	p.at++
}

func (p *promql) binary(level int) string {
	if level == len(operators) {
		return p.unary()
	}
	left := p.binary(level + 1)
	for slices.Contains(operators[level], p.peek()) {
		op := p.take()
		right := p.binary(level + 1)
		switch {
		case left == matrix || right == matrix:
			p.fail("%s of %s and %s", op, left, right)
		case level < 2 && (left == scalar || right == scalar):
			p.fail("%s joins series only", op)
		case level == 2 && left == scalar && right == scalar:
			p.fail("two numbers are compared")
		}
		if left == scalar {
			left = right
		}
	}
	return left
}

func (p *promql) unary() string {
	switch t := p.peek(); {
	case t == "-":
		p.at++
		return p.unary()
	case t == "(":
		p.at++
		kind := p.binary(0)
		p.want(")")
		return kind
	case t != "" && t[0] >= '0' && t[0] <= '9':
		if _, err := strconv.ParseFloat(p.take(), 64); err != nil {
			p.fail("no number: %v", err)
		}
		return scalar
	case slices.Contains(aggregations, t):
		p.at++
		p.grouping()
		p.want("(")
		if kind := p.binary(0); kind != vector {
			p.fail("%s of %s", t, kind)
		}
		p.want(")")
		p.grouping()
		return vector
	case functions[t] != nil:
		p.at++
		p.want("(")
		for i, want := range functions[t] {
			if i > 0 {
				p.want(",")
			}
			start := p.at
			if kind := p.binary(0); kind != want {
				p.fail("%s of %s", t, kind)
			}
			p.counts(t, start)
		}
		p.want(")")
		return vector
	}
	return p.selector()
}

// counts fails unless what a rate is taken of only rises, and a quantile is of buckets.
func (p *promql) counts(function string, from int) {
	for _, name := range p.tokens[from:p.at] {
		f, base := p.family(name)
		switch {
		case f == nil:
		case (function == "rate" || function == "increase") && f.kind != "counter" && base == name:
			p.fail("a %s of %s, which is a %s", function, name, f.kind)
		case function == "histogram_quantile" && !strings.HasSuffix(name, "_bucket"):
			p.fail("a quantile of %s, which is no bucket", name)
		}
	}
}

func (p *promql) grouping() {
	if t := p.peek(); t != "by" && t != "without" {
		return
	}
	p.at++
	p.want("(")
	for p.peek() != ")" {
		p.label(p.take())
		if p.peek() != ")" {
			p.want(",")
		}
	}
	p.want(")")
}

// label fails if no metric that is known has the label.
func (p *promql) label(name string) {
	if slices.Contains(ofPrometheus, name) {
		return
	}
	for _, f := range p.known {
		if f.labels[name] != nil {
			return
		}
	}
	p.fail("nothing has a label %s", name)
}

// family finds the metric that a series belongs to, and its name.
func (p *promql) family(series string) (*family, string) {
	if f := p.known[series]; f != nil {
		return f, series
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, cut := strings.CutSuffix(series, suffix); cut && p.known[base] != nil && (p.known[base].kind == "histogram" || p.known[base].kind == "summary" && suffix != "_bucket") {
			return p.known[base], base
		}
	}
	return nil, ""
}

func (p *promql) selector() string {
	name := p.take()
	f, base := p.family(name)
	if f == nil {
		p.fail("there is no metric %s", name)
	}
	if f.kind == "histogram" && base == name {
		p.fail("%s is a histogram: name its buckets, sum or count", name)
	}
	p.used[name] = true
	if p.peek() == "{" {
		p.at++
		for p.peek() != "}" {
			p.matcher(f, name)
			if p.peek() != "}" {
				p.want(",")
			}
		}
		p.at++
	}
	if p.peek() != "[" {
		return vector
	}
	p.at++
	if _, err := time.ParseDuration(p.take()); err != nil {
		p.fail("no duration: %v", err)
	}
	p.want("]")
	return matrix
}

func (p *promql) matcher(f *family, name string) {
	label, op, quoted := p.take(), p.take(), p.take()
	value, err := strconv.Unquote(quoted)
	if err != nil || !slices.Contains([]string{"=", "=~", "!=", "!~"}, op) {
		p.fail("%s %s %s compares no label", label, op, quoted)
	}
	if slices.Contains(ofPrometheus, label) {
		return
	}
	if f.labels[label] == nil {
		p.fail("%s has no label %s", name, label)
	}
	values := []string{value}
	if strings.HasSuffix(op, "~") {
		values = strings.Split(value, "|")
	}
	for _, v := range values {
		if !f.labels[label][v] {
			p.fail("%s has never %s=%q", name, label, v)
		}
	}
}

func TestPromQLBites(t *testing.T) {
	of := func(kind string, labels ...string) *family {
		f := &family{kind: kind, labels: map[string]map[string]bool{}}
		for _, l := range labels {
			f.labels[l] = map[string]bool{"a": true, "b": true}
		}
		return f
	}
	known := map[string]*family{"n_total": of("counter", "code"), "g": of("gauge"), "h": of("histogram", "le", "call")}
	for _, text := range []string{
		`g`, `g == 0 and g > 1`, `sum by (code) (rate(n_total{code=~"a|b",instance="x"}[5m])) / 2`, `histogram_quantile(0.9, sum by (le) (rate(h_bucket[1h])))`,
		`-g * (1 + g)`, `rate(h_sum[5m]) / rate(h_count[5m])`, `max(g) or min(g)`, `increase(n_total[5m]) + increase(n_total[5m]) > 0`,
	} {
		if _, err := parsePromQL(text, known); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		``, `g g`, `(g`, `g)`, `missing`, `h`, `rate(g[5m])`, `rate(n_total)`, `n_total[5m]`, `sum(n_total[5m])`, `rate(n_total[soon])`, `n_total{code="c"}`, `n_total{kind="a"}`,
		`n_total{code=a}`, `sum by (kind) (n_total)`, `histogram_quantile(0.9, rate(h_sum[5m]))`, `histogram_quantile(g, h_bucket)`, `frequency(n_total[5m])`, `g and 1`, `1 > 2`,
		`g = 0`, `g == `, `sum(g`, `n_total{code="a"`, `g # much`, `g_bucket`,
	} {
		if _, err := parsePromQL(text, known); err == nil {
			t.Errorf("accepted: %s", text)
		}
	}
}
