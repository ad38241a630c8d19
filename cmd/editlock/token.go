package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/wire"
)

// issuing is what the two ends of an access token agree on.
type issuing struct {
	Issuer   string `help:"Who makes access tokens: their claim iss." default:"app" env:"EDITLOCK_ISSUER"`
	Audience string `help:"Whom access tokens are for: their claim aud." default:"editlock" env:"EDITLOCK_AUDIENCE"`
}

// check names what makes no sense.
func (i issuing) check() error {
	switch "" {
	case i.Issuer:
		return misused("--issuer is empty: write the name of the application, as it is in the claim iss of its access tokens")
	case i.Audience:
		return misused("--audience is empty: write whom access tokens are for, as it is in their claim aud")
	}
	return nil
}

// verbs of rights, as the protocol has them.
var verbs = []string{"edit", "watch", "take_over", "administer"}

type tokenCmd struct {
	issuing
	Sub     string        `help:"The user's id." required:"" placeholder:"ID"`
	Name    string        `help:"The user's name, which others see. The id, if it is not given."`
	Right   []string      `help:"What the user may do, as verb:pattern. May be repeated. Verbs are edit, watch, take_over and administer; in a pattern * is one segment, and ** at the end one or more. Without it, ${default}: every resource." default:"edit:**" placeholder:"VERB:PATTERN"`
	TTL     time.Duration `help:"How long it is good for." default:"1h"`
	KeyFile string        `help:"File with the secret that the server has, or with the private key (PEM) of its public one. Without it, EDITLOCK_KEY holds the key itself." env:"EDITLOCK_KEY_FILE" placeholder:"FILE"`
}

func (tokenCmd) Help() string {
	return "Prints an access token, for trying things. In earnest the application makes them, after it has checked who the user is."
}

func (c *tokenCmd) Run() error {
	if err := c.check(); err != nil {
		return err
	}
	key, err := accessKey(c.KeyFile).read()
	if err != nil {
		return err
	}
	if !key.CanSign() {
		return misused("the access key is a public one, and signing takes the private one")
	}
	if c.TTL <= 0 {
		return misused("--ttl must be above 0")
	}
	for _, right := range c.Right {
		if verb, pattern, _ := strings.Cut(right, ":"); pattern == "" || !slices.Contains(verbs, verb) {
			return misused("--right %q is not verb:pattern, as in edit:article/*; the verbs are %s", right, strings.Join(verbs, ", "))
		}
		if err := server.CheckRight(right); err != nil {
			return misused("--right: %s", strings.TrimPrefix(err.Error(), wire.ErrBadToken.Error()+": "))
		}
	}
	if c.Name == "" {
		c.Name = c.Sub
	}
	now := time.Now()
	token, err := key.Sign("JWT", struct {
		Sub    string   `json:"sub"`
		Name   string   `json:"name"`
		Rights []string `json:"rights"`
		Iss    string   `json:"iss"`
		Aud    string   `json:"aud"`
		Iat    int64    `json:"iat"`
		Exp    int64    `json:"exp"`
	}{c.Sub, c.Name, c.Right, c.Issuer, c.Audience, now.Unix(), now.Add(c.TTL).Unix()})
	if err != nil {
		return err
	}
	fmt.Println(token)
	return nil
}
