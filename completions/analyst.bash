# Completion of analyst for bash. Made by `analyst completion bash`: do not edit.
_analyst() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" at="" word i skip=0
  COMPREPLY=()
  # an address contains colons, at which bash splits: put the pieces of the last word together again
  local line="${COMP_LINE:0:COMP_POINT}"; local last="${line##*[[:space:]]}"
  # so it does at the `=` of --option=value
  if [[ $cur == "=" ]]; then cur="" last=""; elif [[ $prev == "=" ]]; then prev="${COMP_WORDS[COMP_CWORD-2]}" last="${last#*=}"; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    if ((skip)); then skip=0; continue; fi
    case "$at $word" in
      " --color"|"badge --format"|"badge -f"|"badge --server"|"demo --pace"|"desktop click --by-role"|"desktop click --title-contains"|"desktop click --value-contains"|"desktop click --by-path"|"desktop click --app"|"desktop click --confirm-token"|"desktop click --confirm"|"desktop click --timeout-ms"|"desktop dismiss-modal --strategy"|"desktop dismiss-modal --title-contains"|"desktop dismiss-modal --app"|"desktop dismiss-modal --confirm-token"|"desktop dismiss-modal --confirm"|"desktop dismiss-modal --timeout-ms"|"desktop doctor --workspace"|"desktop evidence list --last"|"desktop find --by-role"|"desktop find --title-contains"|"desktop find --value-contains"|"desktop find --by-path"|"desktop find --limit"|"desktop find --timeout-ms"|"desktop highlight --by-role"|"desktop highlight --title-contains"|"desktop highlight --value-contains"|"desktop highlight --by-path"|"desktop highlight --duration-ms"|"desktop highlight --timeout-ms"|"desktop hotkey --app"|"desktop hotkey --confirm-token"|"desktop hotkey --confirm"|"desktop hotkey --timeout-ms"|"desktop issue-confirm --method"|"desktop issue-confirm --params-json"|"desktop issue-confirm --params-file"|"desktop issue-confirm --ttl-ms"|"desktop list-modals --app"|"desktop list-modals --timeout-ms"|"desktop observe --timeout-ms"|"desktop observe --max-depth"|"desktop observe --max-nodes"|"desktop ping --workspace"|"desktop recipe run --approve"|"desktop rpc --method"|"desktop rpc --params-json"|"desktop rpc --params-file"|"desktop serve --backend"|"desktop serve --script"|"desktop serve --workspace-root"|"desktop serve --confirm"|"desktop serve --allow"|"desktop service install --backend"|"desktop service install --workspace-root"|"desktop session --idle-ms"|"desktop type-text --text-file"|"desktop type-text --by-role"|"desktop type-text --title-contains"|"desktop type-text --by-path"|"desktop type-text --app"|"desktop type-text --confirm-token"|"desktop type-text --confirm"|"desktop type-text --timeout-ms"|"desktop wait-until --by-role"|"desktop wait-until --title-contains"|"desktop wait-until --value-contains"|"desktop wait-until --by-path"|"desktop wait-until --timeout-ms"|"desktop wait-until --poll-ms"|"dispatch --user"|"dispatch -u"|"dispatch --title"|"dispatch -t"|"dispatch --message"|"dispatch -m"|"dispatch --image"|"dispatch --image-alt"|"dispatch --script"|"dispatch --priority"|"dispatch --tag"|"dispatch --key"|"dispatch --status"|"dispatch --url"|"dispatch --id"|"dispatch --json"|"dispatch --wait"|"dispatch --socket"|"gateway audit --user"|"gateway audit --limit"|"gateway audit --config"|"gateway audit -c"|"gateway audit --data"|"gateway devices --config"|"gateway devices -c"|"gateway devices --data"|"gateway health --socket"|"gateway invite --days"|"gateway invite --url"|"gateway invite --config"|"gateway invite -c"|"gateway invite --data"|"gateway revoke --user"|"gateway revoke --device"|"gateway revoke --token"|"gateway revoke --publisher"|"gateway revoke --config"|"gateway revoke -c"|"gateway revoke --data"|"gateway rotate-secret --config"|"gateway rotate-secret -c"|"gateway rotate-secret --data"|"gateway serve --config"|"gateway serve -c"|"gateway serve --host"|"gateway serve --port"|"gateway serve --portal-host"|"gateway serve --portal-port"|"gateway serve --public-url"|"gateway serve --dev-user"|"gateway serve --socket"|"gateway serve --data"|"gateway serve --set"|"gateway settings --config"|"gateway settings -c"|"gateway settings --set"|"gateway users --disable"|"gateway users --enable"|"gateway users --connect"|"gateway users --config"|"gateway users -c"|"gateway users --data"|"inbox --theme"|"inbox --server"|"inbox --ws-url"|"list --script"|"list -s"|"list --priority"|"list -p"|"list --tag"|"list --since"|"list --limit"|"list -n"|"list --server"|"login --server"|"login --device-name"|"logout --server"|"mark --server"|"runner exec-as --group"|"runner install --with"|"runner install --scripts"|"runner install --state"|"runner install --socket"|"runner install --user"|"runner install --python"|"runner once --scripts"|"runner once --state"|"runner once --socket"|"runner once --user"|"runner once --python"|"runner once --parallel"|"runner overdue --scripts"|"runner overdue --state"|"runner overdue --socket"|"runner overdue --user"|"runner serve --scripts"|"runner serve --state"|"runner serve --socket"|"runner serve --user"|"runner serve --python"|"runner serve --parallel"|"scripts edit --scripts"|"scripts explain --scripts"|"scripts explain --state"|"scripts history --scripts"|"scripts history --state"|"scripts history --limit"|"scripts history -n"|"scripts list --scripts"|"scripts list --state"|"scripts new --from"|"scripts new --scripts"|"scripts run --scripts"|"scripts run --state"|"scripts run --socket"|"scripts run --user"|"scripts run --python"|"scripts test --scripts"|"scripts test --python"|"search --script"|"search -s"|"search --priority"|"search -p"|"search --tag"|"search --since"|"search --limit"|"search -n"|"search --server"|"show --server"|"snooze --until"|"snooze -t"|"snooze --server"|"status --user"|"status -u"|"status --socket"|"token inspect --server"|"token issue --publisher"|"token issue --to"|"token issue --device"|"token issue --days"|"token issue --config"|"token issue -c"|"token issue --data"|"token publishers --config"|"token publishers -c"|"token publishers --data"|"token refresh --server"|"watch --script"|"watch -s"|"watch --priority"|"watch -p"|"watch --server"|"watch --ws-url"|"whoami --server") skip=1 ;;
      " badge"|" completion"|" config"|"config get"|"config list"|"config path"|"config set"|"config unset"|" demo"|" desktop"|"desktop abort"|"desktop abort-demo"|"desktop approvals"|"desktop approvals approve"|"desktop approvals deny"|"desktop approvals list"|"desktop click"|"desktop dismiss-modal"|"desktop doctor"|"desktop evidence"|"desktop evidence list"|"desktop evidence open"|"desktop evidence show"|"desktop evidence verify"|"desktop find"|"desktop highlight"|"desktop hotkey"|"desktop issue-confirm"|"desktop list-modals"|"desktop observe"|"desktop panic"|"desktop ping"|"desktop recipe"|"desktop recipe list"|"desktop recipe run"|"desktop reload"|"desktop reset"|"desktop rpc"|"desktop serve"|"desktop service"|"desktop service install"|"desktop service status"|"desktop service uninstall"|"desktop session"|"desktop start"|"desktop status"|"desktop stop"|"desktop type-text"|"desktop wait-until"|" dispatch"|" gateway"|"gateway audit"|"gateway devices"|"gateway health"|"gateway invite"|"gateway revoke"|"gateway rotate-secret"|"gateway serve"|"gateway settings"|"gateway users"|" inbox"|" list"|" login"|" logout"|" mark"|" runner"|"runner exec-as"|"runner install"|"runner once"|"runner overdue"|"runner serve"|" scripts"|"scripts edit"|"scripts explain"|"scripts history"|"scripts list"|"scripts new"|"scripts run"|"scripts test"|" search"|" server"|"server forget"|"server list"|"server use"|" show"|" snooze"|" status"|" token"|"token inspect"|"token issue"|"token publishers"|"token refresh"|" watch"|" whoami") at="${at:+$at }$word" ;;
    esac
  done
  case "$at $prev" in
    " --color") _analyst_reply 'auto always never'; return ;;
    "badge --format"|"badge -f") _analyst_reply 'plain json tmux waybar xbar polybar'; return ;;
    "badge --server") _analyst_words servers; return ;;
    "demo --pace") :; return ;;
    "desktop click --by-role") :; return ;;
    "desktop click --title-contains") :; return ;;
    "desktop click --value-contains") :; return ;;
    "desktop click --by-path") :; return ;;
    "desktop click --app") :; return ;;
    "desktop click --confirm-token") :; return ;;
    "desktop click --confirm") :; return ;;
    "desktop click --timeout-ms") :; return ;;
    "desktop dismiss-modal --strategy") :; return ;;
    "desktop dismiss-modal --title-contains") :; return ;;
    "desktop dismiss-modal --app") :; return ;;
    "desktop dismiss-modal --confirm-token") :; return ;;
    "desktop dismiss-modal --confirm") :; return ;;
    "desktop dismiss-modal --timeout-ms") :; return ;;
    "desktop doctor --workspace") _analyst_files; return ;;
    "desktop evidence list --last") :; return ;;
    "desktop find --by-role") :; return ;;
    "desktop find --title-contains") :; return ;;
    "desktop find --value-contains") :; return ;;
    "desktop find --by-path") :; return ;;
    "desktop find --limit") :; return ;;
    "desktop find --timeout-ms") :; return ;;
    "desktop highlight --by-role") :; return ;;
    "desktop highlight --title-contains") :; return ;;
    "desktop highlight --value-contains") :; return ;;
    "desktop highlight --by-path") :; return ;;
    "desktop highlight --duration-ms") :; return ;;
    "desktop highlight --timeout-ms") :; return ;;
    "desktop hotkey --app") :; return ;;
    "desktop hotkey --confirm-token") :; return ;;
    "desktop hotkey --confirm") :; return ;;
    "desktop hotkey --timeout-ms") :; return ;;
    "desktop issue-confirm --method") :; return ;;
    "desktop issue-confirm --params-json") :; return ;;
    "desktop issue-confirm --params-file") _analyst_files; return ;;
    "desktop issue-confirm --ttl-ms") :; return ;;
    "desktop list-modals --app") :; return ;;
    "desktop list-modals --timeout-ms") :; return ;;
    "desktop observe --timeout-ms") :; return ;;
    "desktop observe --max-depth") :; return ;;
    "desktop observe --max-nodes") :; return ;;
    "desktop ping --workspace") _analyst_files; return ;;
    "desktop recipe run --approve") :; return ;;
    "desktop rpc --method") :; return ;;
    "desktop rpc --params-json") :; return ;;
    "desktop rpc --params-file") _analyst_files; return ;;
    "desktop serve --backend") :; return ;;
    "desktop serve --script") _analyst_words scripts; return ;;
    "desktop serve --workspace-root") _analyst_files; return ;;
    "desktop serve --confirm") :; return ;;
    "desktop serve --allow") :; return ;;
    "desktop service install --backend") :; return ;;
    "desktop service install --workspace-root") _analyst_files; return ;;
    "desktop session --idle-ms") :; return ;;
    "desktop type-text --text-file") _analyst_files; return ;;
    "desktop type-text --by-role") :; return ;;
    "desktop type-text --title-contains") :; return ;;
    "desktop type-text --by-path") :; return ;;
    "desktop type-text --app") :; return ;;
    "desktop type-text --confirm-token") :; return ;;
    "desktop type-text --confirm") :; return ;;
    "desktop type-text --timeout-ms") :; return ;;
    "desktop wait-until --by-role") :; return ;;
    "desktop wait-until --title-contains") :; return ;;
    "desktop wait-until --value-contains") :; return ;;
    "desktop wait-until --by-path") :; return ;;
    "desktop wait-until --timeout-ms") :; return ;;
    "desktop wait-until --poll-ms") :; return ;;
    "dispatch --user"|"dispatch -u") _analyst_words users; return ;;
    "dispatch --title"|"dispatch -t") :; return ;;
    "dispatch --message"|"dispatch -m") :; return ;;
    "dispatch --image") _analyst_files; return ;;
    "dispatch --image-alt") :; return ;;
    "dispatch --script") :; return ;;
    "dispatch --priority") _analyst_reply 'low normal high critical'; return ;;
    "dispatch --tag") :; return ;;
    "dispatch --key") :; return ;;
    "dispatch --status") :; return ;;
    "dispatch --url") :; return ;;
    "dispatch --id") :; return ;;
    "dispatch --json") _analyst_files; return ;;
    "dispatch --wait") :; return ;;
    "dispatch --socket") _analyst_files; return ;;
    "gateway audit --user") _analyst_words users; return ;;
    "gateway audit --limit") :; return ;;
    "gateway audit --config"|"gateway audit -c") _analyst_files; return ;;
    "gateway audit --data") _analyst_files; return ;;
    "gateway devices --config"|"gateway devices -c") _analyst_files; return ;;
    "gateway devices --data") _analyst_files; return ;;
    "gateway health --socket") _analyst_files; return ;;
    "gateway invite --days") :; return ;;
    "gateway invite --url") :; return ;;
    "gateway invite --config"|"gateway invite -c") _analyst_files; return ;;
    "gateway invite --data") _analyst_files; return ;;
    "gateway revoke --user") _analyst_words users; return ;;
    "gateway revoke --device") :; return ;;
    "gateway revoke --token") :; return ;;
    "gateway revoke --publisher") :; return ;;
    "gateway revoke --config"|"gateway revoke -c") _analyst_files; return ;;
    "gateway revoke --data") _analyst_files; return ;;
    "gateway rotate-secret --config"|"gateway rotate-secret -c") _analyst_files; return ;;
    "gateway rotate-secret --data") _analyst_files; return ;;
    "gateway serve --config"|"gateway serve -c") _analyst_files; return ;;
    "gateway serve --host") :; return ;;
    "gateway serve --port") :; return ;;
    "gateway serve --portal-host") :; return ;;
    "gateway serve --portal-port") :; return ;;
    "gateway serve --public-url") :; return ;;
    "gateway serve --dev-user") :; return ;;
    "gateway serve --socket") _analyst_files; return ;;
    "gateway serve --data") _analyst_files; return ;;
    "gateway serve --set") :; return ;;
    "gateway settings --config"|"gateway settings -c") _analyst_files; return ;;
    "gateway settings --set") :; return ;;
    "gateway users --disable") :; return ;;
    "gateway users --enable") :; return ;;
    "gateway users --connect") :; return ;;
    "gateway users --config"|"gateway users -c") _analyst_files; return ;;
    "gateway users --data") _analyst_files; return ;;
    "inbox --theme") :; return ;;
    "inbox --server") _analyst_words servers; return ;;
    "inbox --ws-url") :; return ;;
    "list --script"|"list -s") _analyst_words scripts; return ;;
    "list --priority"|"list -p") _analyst_reply 'low normal high critical'; return ;;
    "list --tag") _analyst_words tags; return ;;
    "list --since") :; return ;;
    "list --limit"|"list -n") :; return ;;
    "list --server") _analyst_words servers; return ;;
    "login --server") _analyst_words servers; return ;;
    "login --device-name") :; return ;;
    "logout --server") _analyst_words servers; return ;;
    "mark --server") _analyst_words servers; return ;;
    "runner exec-as --group") :; return ;;
    "runner install --with") :; return ;;
    "runner install --scripts") _analyst_files; return ;;
    "runner install --state") _analyst_files; return ;;
    "runner install --socket") _analyst_files; return ;;
    "runner install --user") _analyst_words users; return ;;
    "runner install --python") _analyst_files; return ;;
    "runner once --scripts") _analyst_files; return ;;
    "runner once --state") _analyst_files; return ;;
    "runner once --socket") _analyst_files; return ;;
    "runner once --user") _analyst_words users; return ;;
    "runner once --python") _analyst_files; return ;;
    "runner once --parallel") :; return ;;
    "runner overdue --scripts") _analyst_files; return ;;
    "runner overdue --state") _analyst_files; return ;;
    "runner overdue --socket") _analyst_files; return ;;
    "runner overdue --user") _analyst_words users; return ;;
    "runner serve --scripts") _analyst_files; return ;;
    "runner serve --state") _analyst_files; return ;;
    "runner serve --socket") _analyst_files; return ;;
    "runner serve --user") _analyst_words users; return ;;
    "runner serve --python") _analyst_files; return ;;
    "runner serve --parallel") :; return ;;
    "scripts edit --scripts") _analyst_files; return ;;
    "scripts explain --scripts") _analyst_files; return ;;
    "scripts explain --state") _analyst_files; return ;;
    "scripts history --scripts") _analyst_files; return ;;
    "scripts history --state") _analyst_files; return ;;
    "scripts history --limit"|"scripts history -n") :; return ;;
    "scripts list --scripts") _analyst_files; return ;;
    "scripts list --state") _analyst_files; return ;;
    "scripts new --from") :; return ;;
    "scripts new --scripts") _analyst_files; return ;;
    "scripts run --scripts") _analyst_files; return ;;
    "scripts run --state") _analyst_files; return ;;
    "scripts run --socket") _analyst_files; return ;;
    "scripts run --user") _analyst_words users; return ;;
    "scripts run --python") _analyst_files; return ;;
    "scripts test --scripts") _analyst_files; return ;;
    "scripts test --python") _analyst_files; return ;;
    "search --script"|"search -s") _analyst_words scripts; return ;;
    "search --priority"|"search -p") _analyst_reply 'low normal high critical'; return ;;
    "search --tag") _analyst_words tags; return ;;
    "search --since") :; return ;;
    "search --limit"|"search -n") :; return ;;
    "search --server") _analyst_words servers; return ;;
    "show --server") _analyst_words servers; return ;;
    "snooze --until"|"snooze -t") :; return ;;
    "snooze --server") _analyst_words servers; return ;;
    "status --user"|"status -u") _analyst_words users; return ;;
    "status --socket") _analyst_files; return ;;
    "token inspect --server") _analyst_words servers; return ;;
    "token issue --publisher") :; return ;;
    "token issue --to") :; return ;;
    "token issue --device") :; return ;;
    "token issue --days") :; return ;;
    "token issue --config"|"token issue -c") _analyst_files; return ;;
    "token issue --data") _analyst_files; return ;;
    "token publishers --config"|"token publishers -c") _analyst_files; return ;;
    "token publishers --data") _analyst_files; return ;;
    "token refresh --server") _analyst_words servers; return ;;
    "watch --script"|"watch -s") _analyst_words scripts; return ;;
    "watch --priority"|"watch -p") _analyst_reply 'low normal high critical'; return ;;
    "watch --server") _analyst_words servers; return ;;
    "watch --ws-url") :; return ;;
    "whoami --server") _analyst_words servers; return ;;
  esac
  case "$at" in
    "") if [[ $cur == -* ]]; then _analyst_reply '--version -V --color --install-completion --show-completion --help -h'; else _analyst_reply 'badge completion config demo desktop dispatch gateway inbox list login logout mark runner scripts search server show snooze status token watch whoami'; fi ;;
    "badge") if [[ $cur == -* ]]; then _analyst_reply '--format -f --server --help'; else _analyst_reply ''; fi ;;
    "completion") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; _analyst_reply 'bash zsh fish'; fi ;;
    "config") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'get list path set unset'; fi ;;
    "config get") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; _analyst_words settings; fi ;;
    "config list") if [[ $cur == -* ]]; then _analyst_reply '--show-origin --json --help'; else _analyst_reply ''; fi ;;
    "config path") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "config set") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; _analyst_words settings; fi ;;
    "config unset") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; _analyst_words settings; fi ;;
    "demo") if [[ $cur == -* ]]; then _analyst_reply '--pace --once --help'; else _analyst_reply ''; fi ;;
    "desktop") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'abort abort-demo approvals click dismiss-modal doctor evidence find highlight hotkey issue-confirm list-modals observe panic ping recipe reload reset rpc serve service session start status stop type-text wait-until'; fi ;;
    "desktop abort") if [[ $cur == -* ]]; then _analyst_reply '--pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop abort-demo") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; :; fi ;;
    "desktop approvals") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'approve deny list'; fi ;;
    "desktop approvals approve") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; :; fi ;;
    "desktop approvals deny") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; :; fi ;;
    "desktop approvals list") if [[ $cur == -* ]]; then _analyst_reply '--json --texts --help'; else _analyst_reply ''; fi ;;
    "desktop click") if [[ $cur == -* ]]; then _analyst_reply '--by-role --title-contains --value-contains --by-path --pick-best --app --confirm-token --confirm --ask --timeout-ms --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop dismiss-modal") if [[ $cur == -* ]]; then _analyst_reply '--strategy --title-contains --app --confirm-token --confirm --ask --timeout-ms --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop doctor") if [[ $cur == -* ]]; then _analyst_reply '--workspace --pretty --quiet -q --help'; else _analyst_reply ''; fi ;;
    "desktop evidence") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'list open show verify'; fi ;;
    "desktop evidence list") if [[ $cur == -* ]]; then _analyst_reply '--json --last --help'; else _analyst_reply ''; _analyst_files; fi ;;
    "desktop evidence open") if [[ $cur == -* ]]; then _analyst_reply '--choose --help'; else _analyst_reply ''; _analyst_files; fi ;;
    "desktop evidence show") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; _analyst_files; fi ;;
    "desktop evidence verify") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; _analyst_files; fi ;;
    "desktop find") if [[ $cur == -* ]]; then _analyst_reply '--by-role --title-contains --value-contains --by-path --limit --timeout-ms --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop highlight") if [[ $cur == -* ]]; then _analyst_reply '--by-role --title-contains --value-contains --by-path --duration-ms --timeout-ms --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop hotkey") if [[ $cur == -* ]]; then _analyst_reply '--app --confirm-token --confirm --ask --timeout-ms --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop issue-confirm") if [[ $cur == -* ]]; then _analyst_reply '--method --params-json --params-file --ttl-ms --wait --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop list-modals") if [[ $cur == -* ]]; then _analyst_reply '--app --timeout-ms --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop observe") if [[ $cur == -* ]]; then _analyst_reply '--timeout-ms --no-screenshot --no-tree --max-depth --max-nodes --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop panic") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "desktop ping") if [[ $cur == -* ]]; then _analyst_reply '--workspace --pretty --quiet -q --help'; else _analyst_reply ''; fi ;;
    "desktop recipe") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'list run'; fi ;;
    "desktop recipe list") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "desktop recipe run") if [[ $cur == -* ]]; then _analyst_reply '--dry-run --approve --help'; else _analyst_reply ''; _analyst_files; fi ;;
    "desktop reload") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "desktop reset") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "desktop rpc") if [[ $cur == -* ]]; then _analyst_reply '--method --params-json --params-file --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop serve") if [[ $cur == -* ]]; then _analyst_reply '--backend --script --workspace-root --confirm --allow --stopped --verbose -v --help'; else _analyst_reply ''; fi ;;
    "desktop service") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'install status uninstall'; fi ;;
    "desktop service install") if [[ $cur == -* ]]; then _analyst_reply '--backend --workspace-root --test --help'; else _analyst_reply ''; fi ;;
    "desktop service status") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "desktop service uninstall") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "desktop session") if [[ $cur == -* ]]; then _analyst_reply '--idle-ms --raw --multi-workspace --help'; else _analyst_reply ''; :; fi ;;
    "desktop start") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "desktop status") if [[ $cur == -* ]]; then _analyst_reply '--json --pretty --help'; else _analyst_reply ''; fi ;;
    "desktop stop") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; fi ;;
    "desktop type-text") if [[ $cur == -* ]]; then _analyst_reply '--text-stdin --text-file --by-role --title-contains --by-path --pick-best --app --clear-before --allow-newlines --allow-secure --confirm-token --confirm --ask --timeout-ms --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "desktop wait-until") if [[ $cur == -* ]]; then _analyst_reply '--by-role --title-contains --value-contains --by-path --gone --timeout-ms --poll-ms --ignore-modals --pretty --quiet -q --help'; else _analyst_reply ''; :; fi ;;
    "dispatch") if [[ $cur == -* ]]; then _analyst_reply '--user -u --title -t --message -m --image --image-alt --script --priority --tag --key --status --url --id --json --wait --socket --help'; else _analyst_reply ''; fi ;;
    "gateway") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'audit devices health invite revoke rotate-secret serve settings users'; fi ;;
    "gateway audit") if [[ $cur == -* ]]; then _analyst_reply '--user --limit --config -c --data --json --help'; else _analyst_reply ''; fi ;;
    "gateway devices") if [[ $cur == -* ]]; then _analyst_reply '--config -c --data --json --help'; else _analyst_reply ''; _analyst_words users; fi ;;
    "gateway health") if [[ $cur == -* ]]; then _analyst_reply '--socket --json --help'; else _analyst_reply ''; fi ;;
    "gateway invite") if [[ $cur == -* ]]; then _analyst_reply '--days --url --config -c --data --json --help'; else _analyst_reply ''; _analyst_words users; fi ;;
    "gateway revoke") if [[ $cur == -* ]]; then _analyst_reply '--user --device --token --publisher --config -c --data --help'; else _analyst_reply ''; fi ;;
    "gateway rotate-secret") if [[ $cur == -* ]]; then _analyst_reply '--drop-old --config -c --data --help'; else _analyst_reply ''; fi ;;
    "gateway serve") if [[ $cur == -* ]]; then _analyst_reply '--config -c --host --port --portal-host --portal-port --no-portal --portal --public-url --dev-user --socket --data --set --verbose -v --help'; else _analyst_reply ''; fi ;;
    "gateway settings") if [[ $cur == -* ]]; then _analyst_reply '--config -c --set --json --help'; else _analyst_reply ''; fi ;;
    "gateway users") if [[ $cur == -* ]]; then _analyst_reply '--disable --enable --connect --config -c --data --json --help'; else _analyst_reply ''; fi ;;
    "inbox") if [[ $cur == -* ]]; then _analyst_reply '--offline --theme --server --ws-url --help'; else _analyst_reply ''; fi ;;
    "list") if [[ $cur == -* ]]; then _analyst_reply '--unread -u --script -s --priority -p --tag --since --archived --snoozed --all -a --repeats --limit -n --json --plain --server --help'; else _analyst_reply ''; fi ;;
    "login") if [[ $cur == -* ]]; then _analyst_reply '--server --custom-url --loopback --device --token-stdin --no-input --complete --insecure-storage --device-name --install-handler --uninstall-handler --help'; else _analyst_reply ''; fi ;;
    "logout") if [[ $cur == -* ]]; then _analyst_reply '--server --help'; else _analyst_reply ''; fi ;;
    "mark") if [[ $cur == -* ]]; then _analyst_reply '--read --unread --archive --archived --unarchive --unarchived --ack --acknowledged --all --server --help'; else _analyst_reply ''; _analyst_words ids; fi ;;
    "runner") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'exec-as install once overdue serve'; fi ;;
    "runner exec-as") if [[ $cur == -* ]]; then _analyst_reply '--group --help'; else _analyst_reply ''; :; fi ;;
    "runner install") if [[ $cur == -* ]]; then _analyst_reply '--with --remove --yes -y --scripts --state --socket --user --python --help'; else _analyst_reply ''; fi ;;
    "runner once") if [[ $cur == -* ]]; then _analyst_reply '--scripts --state --socket --user --python --parallel --failure-alerts --no-failure-alerts --now --no-cooldown --quiet -q --json --help'; else _analyst_reply ''; fi ;;
    "runner overdue") if [[ $cur == -* ]]; then _analyst_reply '--scripts --state --socket --user --tell --help'; else _analyst_reply ''; fi ;;
    "runner serve") if [[ $cur == -* ]]; then _analyst_reply '--scripts --state --socket --user --python --parallel --failure-alerts --no-failure-alerts --json --help'; else _analyst_reply ''; fi ;;
    "scripts") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'edit explain history list new run test'; fi ;;
    "scripts edit") if [[ $cur == -* ]]; then _analyst_reply '--scripts --help'; else _analyst_reply ''; _analyst_words scripts; fi ;;
    "scripts explain") if [[ $cur == -* ]]; then _analyst_reply '--scripts --state --help'; else _analyst_reply ''; _analyst_words scripts; fi ;;
    "scripts history") if [[ $cur == -* ]]; then _analyst_reply '--scripts --state --limit -n --json --help'; else _analyst_reply ''; _analyst_words scripts; fi ;;
    "scripts list") if [[ $cur == -* ]]; then _analyst_reply '--scripts --state --json --help'; else _analyst_reply ''; fi ;;
    "scripts new") if [[ $cur == -* ]]; then _analyst_reply '--from --samples --scripts --help'; else _analyst_reply ''; _analyst_words scripts; fi ;;
    "scripts run") if [[ $cur == -* ]]; then _analyst_reply '--scripts --state --socket --user --python --json --help'; else _analyst_reply ''; _analyst_words scripts; fi ;;
    "scripts test") if [[ $cur == -* ]]; then _analyst_reply '--scripts --python --json --help'; else _analyst_reply ''; _analyst_words scripts; fi ;;
    "search") if [[ $cur == -* ]]; then _analyst_reply '--unread -u --script -s --priority -p --tag --since --limit -n --json --plain --server --help'; else _analyst_reply ''; :; fi ;;
    "server") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'forget list use'; fi ;;
    "server forget") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; _analyst_words servers; fi ;;
    "server list") if [[ $cur == -* ]]; then _analyst_reply '--json --help'; else _analyst_reply ''; fi ;;
    "server use") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply ''; _analyst_words servers; fi ;;
    "show") if [[ $cur == -* ]]; then _analyst_reply '--image -i --read -r --json --plain --server --help'; else _analyst_reply ''; _analyst_words ids; fi ;;
    "snooze") if [[ $cur == -* ]]; then _analyst_reply '--until -t --server --help'; else _analyst_reply ''; _analyst_words ids; fi ;;
    "status") if [[ $cur == -* ]]; then _analyst_reply '--user -u --json --socket --help'; else _analyst_reply ''; :; fi ;;
    "token") if [[ $cur == -* ]]; then _analyst_reply '--help'; else _analyst_reply 'inspect issue publishers refresh'; fi ;;
    "token inspect") if [[ $cur == -* ]]; then _analyst_reply '--server --stdin --json --help'; else _analyst_reply ''; fi ;;
    "token issue") if [[ $cur == -* ]]; then _analyst_reply '--publisher --to --device --days --config -c --data --json --help'; else _analyst_reply ''; _analyst_words users; fi ;;
    "token publishers") if [[ $cur == -* ]]; then _analyst_reply '--config -c --data --json --help'; else _analyst_reply ''; fi ;;
    "token refresh") if [[ $cur == -* ]]; then _analyst_reply '--server --stdin --help'; else _analyst_reply ''; fi ;;
    "watch") if [[ $cur == -* ]]; then _analyst_reply '--json --plain --quiet -q --notify --script -s --priority -p --server --ws-url --help'; else _analyst_reply ''; fi ;;
    "whoami") if [[ $cur == -* ]]; then _analyst_reply '--server --json --help'; else _analyst_reply ''; fi ;;
  esac
}
_analyst_reply() {
  local word; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$1" -- "$cur")
}
_analyst_words() {
  local word rest="${last%"$cur"}"
  while IFS=$'\t' read -r word _; do
    [[ $word == "$last"* ]] && COMPREPLY+=("${word#"$rest"}")
  done < <(analyst __complete "$1" "$last" 2>/dev/null)
}
_analyst_files() {
  local word; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
  compopt -o filenames 2>/dev/null
}
complete -F _analyst analyst
