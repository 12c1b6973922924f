//go:build tools

// Package tools names the program that is built, so that its modules are pinned in go.sum.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
