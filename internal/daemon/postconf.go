package daemon

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"rcptgate/verify/address"
)

// postfixParams name what Postfix delivers, relays or routes by itself: mail
// for these domains does not go to the MX that a probe would ask.
var postfixParams = []string{
	"mydestination", "virtual_mailbox_domains", "virtual_alias_domains", "relay_domains", "transport_maps",
}

const (
	postconfTimeout = 10 * time.Second
	maxPostconf     = 1 << 20 // octets read of its output
	maxNoted        = 20      // domains named in one note
)

// PostfixNotes asks postconf, where it is in PATH, for the domains that this
// host's Postfix delivers, relays or routes by itself and that skip_domains
// does not name. Without Postfix there are none.
func (c *Config) PostfixNotes(ctx context.Context) []string {
	path, err := exec.LookPath("postconf")
	if err != nil {
		return nil
	}
	return c.postfixNotes(ctx, path)
}

func (c *Config) postfixNotes(ctx context.Context, path string) []string {
	out, err := runPostconf(ctx, path)
	if err != nil {
		return []string{fmt.Sprintf("%s could not be asked what Postfix delivers by itself: %v", path, err)}
	}
	values, err := parsePostconf(out)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	var notes []string
	for _, param := range postfixParams {
		var domains, tables []string
		for _, entry := range values[param] {
			switch domain, isTable := postfixEntry(entry); {
			case isTable:
				tables = append(tables, entry)
			case domain != "" && !c.skips(domain) && !slices.Contains(domains, domain):
				domains = append(domains, domain)
			}
		}
		if len(domains) > 0 {
			notes = append(notes, fmt.Sprintf("postfix names in %s and skip_domains does not: %s", param, brief(domains, maxNoted)))
		}
		if len(tables) > 0 {
			notes = append(notes, fmt.Sprintf("postfix looks for %s in %s: compare it with skip_domains yourself", param, brief(tables, maxNoted)))
		}
	}
	return notes
}

// runPostconf returns the values of postfixParams, a line each, with the names
// in them expanded.
func runPostconf(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, postconfTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"-xh"}, postfixParams...)...)
	cmd.WaitDelay = time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	out, readErr := io.ReadAll(io.LimitReader(pipe, maxPostconf))
	if err := cmd.Wait(); err != nil {
		return "", err
	}
	return string(out), readErr
}

// parsePostconf takes the output apart: one line for each parameter, in the
// order asked, its entries separated by commas or blanks (postconf(5)).
func parsePostconf(out string) (map[string][]string, error) {
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != len(postfixParams) {
		return nil, fmt.Errorf("%d values came for %d parameters", len(lines), len(postfixParams))
	}
	values := map[string][]string{}
	for i, param := range postfixParams {
		values[param] = strings.FieldsFunc(lines[i], func(r rune) bool { return strings.ContainsRune(", \t\r", r) })
	}
	return values, nil
}

// postfixEntry reads one entry of a domain list: a domain in A-labels, or a
// table or file to look in. Exclusions, literals and what was not expanded are
// neither.
func postfixEntry(entry string) (domain string, isTable bool) {
	switch {
	case strings.HasPrefix(entry, "!"), strings.HasPrefix(entry, "["), strings.ContainsAny(entry, "${}"):
		return "", false
	case strings.ContainsAny(entry, ":/"):
		return "", true
	}
	d, err := address.ParseDomain(strings.TrimPrefix(entry, "."))
	if err != nil {
		return "", false
	}
	return d.String(), false
}

// skips reports that mail for a domain is never probed: by skip_domains, or
// because no MX in the world can answer for it (docs/design.md, rule 9).
func (c *Config) skips(domain string) bool {
	if !strings.Contains(domain, ".") || domain == c.helo("") {
		return true
	}
	for _, s := range append([]string{".local", ".internal", ".lan", ".home.arpa"}, c.Policy.SkipDomains...) {
		if domain == s || strings.HasPrefix(s, ".") && strings.HasSuffix(domain, s) {
			return true
		}
	}
	return false
}

// brief joins at most n words.
func brief(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:n], ", "), len(words)-n)
}
