"""What a method is given of each group of cells, read and checked before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scregnet.tl._fit.task import FitOptions, make_task

if TYPE_CHECKING:
    from anndata import AnnData

    from scregnet._anndata.groups import CellGroup
    from scregnet._genes.split import LabelledPairs
    from scregnet.links import LinkMethod, LinkTask
    from scregnet.tl._fit.shared import SharedCells


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the method is given of each group of cells."""

    data: AnnData
    method: LinkMethod
    options: FitOptions
    labelled: LabelledPairs
    shared: SharedCells | None
    """What all groups share; ``None`` without groups, or if the method reads no expression."""

    made: dict[str, tuple[LinkTask, dict[str, Any]]]
    """Task and record of the first group, by its key, until they are asked for."""

    @classmethod
    def of(
        cls,
        data: AnnData,
        method: LinkMethod,
        options: FitOptions,
        labelled: LabelledPairs,
        groups: list[CellGroup],
    ) -> Inputs:
        """Read the cells; raise if values, layer or embedding are not what the method needs."""
        shared = None
        # Without labels the cells themselves are compared: shrunk features are no cells.
        if groups[0].rows is not None and method.needs_expression and method.needs_labels:
            from scregnet.tl._fit.shared import SharedCells

            shared = SharedCells.of(
                data,
                groups,
                layer=options.layer,
                n_pcs=options.n_pcs,
                max_cells=options.max_cells,
                random_state=options.random_state,
                shuffle=options.shuffle_expression,
            )
        if method.uses_embedding and len(groups) > 1:
            from scregnet._anndata.features import embedding_features, is_of_groups

            # All are checked now and made when it is their turn: they need memory.
            for group in groups[1:] if is_of_groups(data, options.embedding) else []:
                embedding_features(data, options.embedding, group.name)
        inputs = cls(data, method, options, labelled, shared, {})
        with groups[0].named_in_errors():
            inputs.made[groups[0].key] = inputs.task(groups[0])
        return inputs

    @property
    def first(self) -> LinkTask:
        """Task of the first group, until it was asked for."""
        (made,) = self.made.values()
        return made[0]

    def task(self, group: CellGroup) -> tuple[LinkTask, dict[str, Any]]:
        """Return the task of one group, and the record of its features."""
        if group.key in self.made:
            return self.made.pop(group.key)
        return make_task(
            self.data,
            self.method,
            self.labelled,
            self.options,
            rows=group.rows,
            group=group.name,
            shared=self.shared,
        )
