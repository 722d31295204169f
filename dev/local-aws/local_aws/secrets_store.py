"""The one module that knows how ministack 1.5 keeps its secrets and keys.

ministack holds each secret as a dict in its own store. The overlay reads these dicts for the
answers that ministack leaves short, and keeps the facts that ministack has no field for in the
same dict, under "_extra". So a secret that a call creates, changes or deletes is seen by every
reading at once, and nothing has to be kept in step.
"""

import bisect
import re
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import kms as ministack_kms
from ministack.services import secretsmanager as ministack_secrets

from .wire import Request

Record = dict[str, Any]
# Lists sorted for paging, by account, Region and order; made anew when a secret came or went.
_indexes: dict[tuple[str, str, str], tuple[tuple[int, int], list[tuple[Any, str]]]] = {}
_generation = 0


def put(account: str, region: str, record: Record) -> None:
    ministack_secrets._secrets.set_scoped(account, region, record["Name"], record)
    touch()


def put_policy(account: str, region: str, arn: str, policy: str) -> None:
    ministack_secrets._resource_policies.set_scoped(account, region, arn, policy)


def remove_replica(account: str, region: str, primary: Record) -> None:
    """If the secret of that name there is its replica."""
    found = ministack_secrets._secrets.get_scoped(account, region, primary["Name"])
    if found and found.get("_PrimarySecretArn") == primary["ARN"]:
        ministack_secrets._secrets.pop_scoped(account, region, primary["Name"], None)
        ministack_secrets._resource_policies.pop_scoped(account, region, found["ARN"], None)


def policy_of(account: str, region: str, arn: str) -> str | None:
    return ministack_secrets._resource_policies.get_scoped(account, region, arn)


def touch() -> None:
    """Say that secrets may have come or gone, or that a sort key moved."""
    global _generation
    _generation += 1


def by_name(request: Request, name: str) -> Record | None:
    return ministack_secrets._secrets.get_scoped(request.account, request.region, name)


def find(request: Request) -> Record | None:
    """The secret that a call names."""
    secret_id = str(request.params.get("SecretId", ""))
    if not secret_id.startswith("arn:"):
        return by_name(request, secret_id)
    name_and_suffix = secret_id.partition(":secret:")[2]
    record = by_name(request, name_and_suffix[:-7])
    if record and record["ARN"] == secret_id:
        return record
    # A partial ARN lacks the suffix. AWS takes an ending like "-aB3dE9" for the suffix itself, so the
    # partial ARN of a name that ends so finds nothing.
    if re.search(r"-[A-Za-z0-9]{6}$", name_and_suffix):
        return None
    record = by_name(request, name_and_suffix)
    return record if record and record["ARN"].startswith(secret_id) else None


def extra(record: Record) -> dict[str, Any]:
    """What ministack has no field for: LastRotatedDate, NextRotationDate, OwningService, ..."""
    return record.setdefault("_extra", {})


def after(
    account: str,
    region: str,
    order: str,
    sort_key: Callable[[Record], Any],
    position: tuple[Any, str] | None,
    down: bool,
) -> Iterator[tuple[tuple[Any, str], Record]]:
    """Secrets in order, beginning after `position`; one deleted between two pages moves no other."""
    index = sorted_index(account, region, order, sort_key)
    if down:
        start = bisect.bisect_left(index, position) - 1 if position else len(index) - 1
        steps = range(start, -1, -1)
    else:
        steps = range(bisect.bisect_right(index, position) if position else 0, len(index))
    for step in steps:
        record = ministack_secrets._secrets.get_scoped(account, region, index[step][1])
        if record is not None:
            yield index[step], record


def sorted_index(account: str, region: str, order: str, sort_key: Callable[[Record], Any]) -> list[tuple[Any, str]]:
    # The number of secrets is part of the mark because CloudFormation makes secrets without a call.
    mark = (_generation, len(ministack_secrets._secrets._data))
    cached = _indexes.get((account, region, order))
    if cached and cached[0] == mark:
        return cached[1]
    records = ministack_secrets._secrets.items_scoped(account, region)
    index = sorted((sort_key(record), name) for name, record in records)
    _indexes[account, region, order] = (mark, index)
    return index


def key_is_usable(account: str, region: str, key_id: str | None) -> bool:
    """Whether values under this KMS key can be read. The default key always can."""
    key = find_key(account, region, key_id) if key_id else None
    return key is None or key["KeyState"] == "Enabled"


def find_key(account: str, region: str, key_id: str) -> Record | None:
    """A KMS key by id, ARN, alias or alias ARN."""
    alias_or_id = key_id.rpartition(":")[2]
    if alias_or_id.startswith("alias/"):
        alias_arn = f"arn:aws:kms:{region}:{account}:{alias_or_id}"
        alias_or_id = ministack_kms._aliases.get_scoped(account, region, alias_arn, "")
    return ministack_kms._keys.get_scoped(account, region, alias_or_id.rpartition("/")[2])
