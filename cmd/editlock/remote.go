package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/editlock/editlock/wire"
)

// The exit codes of the commands that ask a server. exec passes on that of its command, besides.
const (
	exitFailed      = 1 // anything else
	exitUsage       = 2 // what was said on the command line means nothing
	exitLocked      = 3 // somebody else holds
	exitRefused     = 4 // the access token is no good, or gives not enough right
	exitUnreachable = 5 // no server answers there, or it cannot do it now
)

const exitCodes = "Exit codes: 0 done, 1 failed, 2 wrong use, 3 somebody else holds, 4 the access token was refused or its rights are not enough, 5 the server cannot be reached or cannot do it now."

// exit is an error with which the program ends with a code of its own.
type exit struct {
	code int
	err  error // nil: nothing is said
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// misused is for what was said on the command line, in the environment or in a file, and means nothing.
func misused(format string, args ...any) error { return &exit{exitUsage, fmt.Errorf(format, args...)} }

// remote is how a command reaches a server, and as whom.
type remote struct {
	Server    string `help:"Where editlock is served, with its base path." default:"http://127.0.0.1:8420/editlock" env:"EDITLOCK_SERVER" placeholder:"URL"`
	Token     string `help:"The access token. Others on this machine can read a command line: rather use EDITLOCK_TOKEN or --token-file." env:"EDITLOCK_TOKEN"`
	TokenFile string `help:"File with the access token. It is read again whenever a token is needed, so that a fresh one can be put there." env:"EDITLOCK_TOKEN_FILE" placeholder:"FILE"`
}

// base is the address of the server without a slash at its end.
func (r *remote) base() (*url.URL, error) {
	u, err := url.Parse(r.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, &exit{exitUsage, fmt.Errorf("--server is %q: write it as https://app.example.com/editlock", r.Server)}
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// token is the access token: of the file if one is named, or else the one that was given.
func (r *remote) token() (string, error) {
	token, where := r.Token, "EDITLOCK_TOKEN"
	if r.TokenFile != "" {
		b, err := os.ReadFile(r.TokenFile)
		if err != nil {
			return "", &exit{exitUsage, fmt.Errorf("--token-file: %w", err)}
		}
		token, where = string(b), r.TokenFile
	}
	token = strings.TrimSpace(token)
	switch {
	case token == "" && r.TokenFile == "":
		return "", &exit{exitUsage, errors.New("an access token is missing: put it into EDITLOCK_TOKEN, or into a file and name that by --token-file. To try things, `editlock token` makes one")}
	case token == "":
		return "", &exit{exitUsage, fmt.Errorf("--token-file: %s is empty", where)}
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", &exit{exitUsage, fmt.Errorf("what %s holds is no access token: it is one line of letters, digits and the characters . - _", where)}
	}
	return token, nil
}

// callTimeout bounds one question to the server.
const callTimeout = 30 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// call asks the server: in, if it is not nil, is sent as JSON, and the answer is read into out. The path is below the base,
// its segments escaped. An error says what to do, and has an exit code.
func (r *remote) call(ctx context.Context, method, path string, in, out any) error {
	base, err := r.base()
	if err != nil {
		return err
	}
	token, err := r.token()
	if err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base.String()+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return r.unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return r.problem(resp, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &exit{exitUnreachable, fmt.Errorf("what answers at %s is no editlock server (%w); is the base path right?", r.Server, err)}
	}
	return nil
}

// What is said where nobody answers.
const (
	saysWhere = "--server or EDITLOCK_SERVER says where"
	isItThere = "Is it running there? " + saysWhere
)

// unreachable says that nobody answers.
func (r *remote) unreachable(err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return &exit{exitUnreachable, fmt.Errorf("no server answers at %s (%w). %s", r.Server, err, isItThere)}
}

// problem makes an error of an answer that is none.
func (r *remote) problem(resp *http.Response, text []byte) error {
	var p wire.Problem
	if json.Unmarshal(text, &p) != nil || p.Code == "" {
		return &exit{exitUnreachable, fmt.Errorf("what answers at %s is no editlock server (%s); is the base path right?", r.Server, resp.Status)}
	}
	return &exit{exitFor(p.Code), &refusal{p.Code, p.Detail}}
}

// refusal is what the server answered in place of what was asked for.
type refusal struct {
	code   wire.Code
	detail string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the server refused (%s): %s", r.code, strings.TrimSuffix(r.detail, "."))
}

// forbidden reports whether an error says that the access token is good, and gives no right to what was asked for.
func forbidden(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == wire.Forbidden
}

// exitFor is the exit code that says the same as a code of the protocol.
func exitFor(code wire.Code) int {
	switch code.Status() {
	case http.StatusBadRequest:
		return exitUsage
	case http.StatusLocked:
		return exitLocked
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitRefused
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return exitUnreachable
	}
	return exitFailed
}
