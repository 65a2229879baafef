"""Arrow tables as pandas DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd


def frame(table: pa.Table) -> pd.DataFrame:
    """Return a DataFrame: times in UTC, closed sets as categories, nullable integers as such."""
    import pandas as pd

    def lists(kind: pa.DataType) -> Any:
        return pd.ArrowDtype(kind) if pa.types.is_list(kind) else None

    nullable = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}
    found: pd.DataFrame = table.to_pandas(types_mapper=lists)
    for field in table.schema:
        if field.nullable and pa.types.is_integer(field.type):
            found[field.name] = table[field.name].to_pandas(types_mapper=nullable.get)
    return found
