{{/*
Reads gateway.toml: as JSON, {listeners: [{name, port, tls}], management: {port, tls}, drain: seconds, restart: text}.
Refuses what would not work in a pod.
*/}}
{{- define "portcullis.config" -}}
{{- $config := fromToml .Values.config -}}
{{- with $config.Error -}}
{{- fail (printf "config: cannot be read as TOML: %s" .) -}}
{{- end -}}
{{- $gateway := default dict $config.gateway -}}
{{- $state := default "state" $gateway.state_dir -}}
{{- if not (regexMatch "^/var/lib/portcullis(/.*)?$" $state) -}}
{{- fail (printf "config: gateway.state_dir is %q; write \"/var/lib/portcullis/state\", for nothing else can be written to" $state) -}}
{{- end -}}
{{- if not $config.listeners -}}
{{- fail "config: there is no listener; write [[listeners]] here, and not in an included file" -}}
{{- end -}}
{{- $listeners := list -}}
{{- range $config.listeners -}}
{{- if not .name -}}
{{- fail "config: a listener has no name" -}}
{{- end -}}
{{- $port := include "portcullis.port" (dict "of" (printf "listener %q" .name) "address" .address) | int -}}
{{- $listeners = append $listeners (dict "name" (regexReplaceAll "[^a-z0-9]+" (lower .name) "-" | trunc 15 | trimAll "-") "listener" .name "port" $port "tls" (not (empty .tls))) -}}
{{- end -}}
{{- if not (hasKey $config "management") -}}
{{- fail "config: there is no [management]; write it with address = \"0.0.0.0:9443\", for probes ask that listener" -}}
{{- end -}}
{{- $address := default "127.0.0.1:9443" $config.management.address -}}
{{- $management := dict "port" (include "portcullis.port" (dict "of" "[management]" "address" $address) | int) "tls" (not (empty $config.management.tls)) -}}
{{- range $listeners -}}
{{- if eq .port $management.port -}}
{{- fail (printf "config: listener %q and [management] have the same port %d" .listener .port) -}}
{{- end -}}
{{- end -}}
{{- $delay := include "portcullis.milliseconds" (dict "of" "gateway.drain_delay" "duration" (default "0s" $gateway.drain_delay)) | int -}}
{{- $timeout := include "portcullis.milliseconds" (dict "of" "gateway.drain_timeout" "duration" (default "20s" $gateway.drain_timeout)) | int -}}
{{- /* the last lines of the access log take two seconds at most, and one is rounding */ -}}
{{- $drain := add (div (add $delay $timeout) 1000) 3 -}}
{{- /* what docs/operations.md says takes effect at the next start */ -}}
{{- $access := default dict (default dict $config.telemetry).access_log -}}
{{- $restart := list $gateway.workers $gateway.token_cache_bytes $state $config.management $access -}}
{{- dict "listeners" $listeners "management" $management "drain" $drain "restart" ($restart | toJson | sha256sum) | toJson -}}
{{- end -}}

{{/* Returns the port of an address, if others than the pod reach it. */}}
{{- define "portcullis.port" -}}
{{- if not (regexMatch "^(0\\.0\\.0\\.0|\\[::\\]):[0-9]+$" (toString .address)) -}}
{{- fail (printf "config: the address of %s is %q, which nobody outside the pod reaches; write 0.0.0.0:PORT or [::]:PORT" .of (toString .address)) -}}
{{- end -}}
{{- regexFind "[0-9]+$" .address -}}
{{- end -}}

{{/* Returns a duration of gateway.toml in milliseconds. */}}
{{- define "portcullis.milliseconds" -}}
{{- if not (regexMatch "^[0-9]+(ms|s|m|h)$" (toString .duration)) -}}
{{- fail (printf "config: %s is %q; write a duration such as \"20s\"" .of (toString .duration)) -}}
{{- end -}}
{{- $unit := regexFind "[a-z]+$" .duration -}}
{{- mul (regexFind "^[0-9]+" .duration) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit) -}}
{{- end -}}
