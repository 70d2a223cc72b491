"""The networks of the joint Storybook in plain PyTorch, with diffusers' and transformers' key names."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def sinusoid(steps, width):
    """diffusers' Timesteps with flip_sin_to_cos and no shift."""
    half = width // 2
    angles = torch.exp(-math.log(10000.0) * torch.arange(half, device=steps.device, dtype=torch.float32) / half)
    angles = steps.float()[:, None] * angles[None]
    return torch.cat([angles.cos(), angles.sin()], 1)


class ResnetBlock2D(nn.Module):
    def __init__(self, inward, outward, groups, eps, time=None):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inward, eps)
        self.conv1 = nn.Conv2d(inward, outward, 3, padding=1)
        if time:
            self.time_emb_proj = nn.Linear(time, outward)
        self.norm2 = nn.GroupNorm(groups, outward, eps)
        self.conv2 = nn.Conv2d(outward, outward, 3, padding=1)
        if inward != outward:
            self.conv_shortcut = nn.Conv2d(inward, outward, 1)

    def forward(self, x, time=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if time is not None:
            h = h + self.time_emb_proj(F.silu(time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class CrossAttention(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, context):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context)))
        return self.to_out[0](y.transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.proj = nn.Linear(width, inner * 2)

    def forward(self, x):
        x, gate = self.proj(x).chunk(2, -1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.ModuleList([GEGLU(width, width * 4), nn.Identity(), nn.Linear(width * 4, width)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class BasicTransformerBlock(nn.Module):
    def __init__(self, width, context, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = CrossAttention(width, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = CrossAttention(width, context, heads)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x, context):
        y = self.norm1(x)
        x = x + self.attn1(y, y)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer2D(nn.Module):
    def __init__(self, width, context, heads, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, 1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([BasicTransformerBlock(width, context, heads)])
        self.proj_out = nn.Linear(width, width)

    def forward(self, x, context):
        height, width = x.shape[2:]
        y = self.norm(x).flatten(2).transpose(1, 2)
        y = self.transformer_blocks[0](self.proj_in(y), context)
        return x + self.proj_out(y).transpose(1, 2).unflatten(2, (height, width))


class Sampler(nn.Module):
    """A convolution that goes up or down by two."""

    def __init__(self, width, stride, padding):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=stride, padding=padding)


class UNetBlock(nn.Module):
    def __init__(self, pairs, time, context, heads, groups, down=False, up=False):
        super().__init__()
        outward = pairs[0][1]
        self.resnets = nn.ModuleList([ResnetBlock2D(i, o, groups, 1e-5, time) for i, o in pairs])
        if heads:
            self.attentions = nn.ModuleList([Transformer2D(outward, context, heads, groups) for _ in pairs])
        if down:
            self.downsamplers = nn.ModuleList([Sampler(outward, 2, 1)])
        if up:
            self.upsamplers = nn.ModuleList([Sampler(outward, 1, 1)])


class Middle(nn.Module):
    def __init__(self, width, time, context, heads, groups):
        super().__init__()
        self.attentions = nn.ModuleList([Transformer2D(width, context, heads, groups)])
        self.resnets = nn.ModuleList([ResnetBlock2D(width, width, groups, 1e-5, time) for _ in range(2)])


class TimeEmbedding(nn.Module):
    def __init__(self, width, time):
        super().__init__()
        self.linear_1 = nn.Linear(width, time)
        self.linear_2 = nn.Linear(time, time)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


class UNet(nn.Module):
    """diffusers' UNet2DConditionModel with one layer a block; the first level without attention."""

    def __init__(self, inward, outward, widths, heads, context, groups=16):
        super().__init__()
        time = widths[0] * 4
        self.widths = widths
        self.conv_in = nn.Conv2d(inward, widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], time)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        last, skips = widths[0], [widths[0]]
        for i, width in enumerate(widths):
            end = i + 1 == len(widths)
            self.down_blocks.append(UNetBlock([(last, width)], time, context, heads[i], groups, down=not end))
            skips += [width] if end else [width, width]
            last = width
        self.mid_block = Middle(last, time, context, heads[-1], groups)
        for i, width in reversed(list(enumerate(widths))):
            pairs = []
            for _ in range(2):
                pairs.append((last + skips.pop(), width))
                last = width
            self.up_blocks.append(UNetBlock(pairs, time, context, heads[i], groups, up=i > 0))
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], 1e-5)
        self.conv_out = nn.Conv2d(widths[0], outward, 3, padding=1)

    def forward(self, x, steps, context):
        time = self.time_embedding(sinusoid(steps, self.widths[0]).to(x.dtype))
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            x = block.resnets[0](x, time)
            if hasattr(block, "attentions"):
                x = block.attentions[0](x, context)
            skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0].conv(x)
                skips.append(x)
        x = self.mid_block.resnets[0](x, time)
        x = self.mid_block.attentions[0](x, context)
        x = self.mid_block.resnets[1](x, time)
        for block in self.up_blocks:
            for i, resnet in enumerate(block.resnets):
                x = resnet(torch.cat([x, skips.pop()], 1), time)
                if hasattr(block, "attentions"):
                    x = block.attentions[i](x, context)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0].conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class VaeAttention(nn.Module):
    def __init__(self, width, groups):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, width, 1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x):
        height, width = x.shape[2:]
        y = self.group_norm(x).flatten(2).transpose(1, 2)
        y = F.scaled_dot_product_attention(self.to_q(y)[:, None], self.to_k(y)[:, None], self.to_v(y)[:, None])[:, 0]
        return x + self.to_out[0](y).transpose(1, 2).unflatten(2, (height, width))


class VaeMiddle(nn.Module):
    def __init__(self, width, groups):
        super().__init__()
        self.attentions = nn.ModuleList([VaeAttention(width, groups)])
        self.resnets = nn.ModuleList([ResnetBlock2D(width, width, groups, 1e-6) for _ in range(2)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class VaeBlock(nn.Module):
    def __init__(self, inward, outward, layers, groups, down=False, up=False):
        super().__init__()
        self.resnets = nn.ModuleList(
            [ResnetBlock2D(inward if i == 0 else outward, outward, groups, 1e-6) for i in range(layers)]
        )
        if down:
            self.downsamplers = nn.ModuleList([Sampler(outward, 2, 0)])
        if up:
            self.upsamplers = nn.ModuleList([Sampler(outward, 1, 1)])

    def forward(self, x):
        for resnet in self.resnets:
            x = resnet(x)
        if hasattr(self, "downsamplers"):
            x = self.downsamplers[0].conv(F.pad(x, (0, 1, 0, 1)))
        if hasattr(self, "upsamplers"):
            x = self.upsamplers[0].conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x


class Encoder(nn.Module):
    def __init__(self, widths, latent, groups):
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        last = [widths[0], *widths[:-1]]
        self.down_blocks = nn.ModuleList(
            [VaeBlock(i, o, 1, groups, down=k + 1 < len(widths)) for k, (i, o) in enumerate(zip(last, widths))]
        )
        self.mid_block = VaeMiddle(widths[-1], groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], 1e-6)
        self.conv_out = nn.Conv2d(widths[-1], latent * 2, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    def __init__(self, widths, latent, groups):
        super().__init__()
        widths = widths[::-1]
        self.conv_in = nn.Conv2d(latent, widths[0], 3, padding=1)
        last = [widths[0], *widths[:-1]]
        self.up_blocks = nn.ModuleList(
            [VaeBlock(i, o, 2, groups, up=k + 1 < len(widths)) for k, (i, o) in enumerate(zip(last, widths))]
        )
        self.mid_block = VaeMiddle(widths[0], groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], 1e-6)
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, x):
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class AutoencoderKL(nn.Module):
    def __init__(self, widths, latent, groups=8):
        super().__init__()
        self.widths, self.latent = list(widths), latent
        self.encoder = Encoder(self.widths, latent, groups)
        self.decoder = Decoder(self.widths, latent, groups)
        self.quant_conv = nn.Conv2d(latent * 2, latent * 2, 1)
        self.post_quant_conv = nn.Conv2d(latent, latent, 1)

    @property
    def factor(self):
        return 2 ** (len(self.widths) - 1)

    def moments(self, x):
        mean, logvar = self.quant_conv(self.encoder(x)).chunk(2, 1)
        return mean, logvar.clamp(-30, 20)

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z))


class ClipAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        y = F.scaled_dot_product_attention(
            split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x)), is_causal=True
        )
        return self.out_proj(y.transpose(1, 2).flatten(2))


class ClipMlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width * 4), nn.Linear(width * 4, width)

    def forward(self, x):
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x))


class ClipLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.self_attn = ClipAttention(width, heads)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = ClipMlp(width)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class ClipText(nn.Module):
    """transformers' CLIPTextModel with quick GELU; keys begin with `text_model.` in the file."""

    def __init__(self, vocabulary, width, layers, heads, length):
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {"token_embedding": nn.Embedding(vocabulary, width), "position_embedding": nn.Embedding(length, width)}
        )
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList([ClipLayer(width, heads) for _ in range(layers)])})
        self.final_layer_norm = nn.LayerNorm(width)
        for table in self.embeddings.values():
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens):
        x = self.embeddings["token_embedding"](tokens) + self.embeddings["position_embedding"].weight[: tokens.shape[1]]
        for layer in self.encoder["layers"]:
            x = layer(x)
        return self.final_layer_norm(x)


class LayoutEncoder(nn.Module):
    """Box tokens as GLIGEN has them, and the boxes drawn as planes."""

    def __init__(self, classes, colours, width, inner, planes, frequencies=8):
        super().__init__()
        self.frequencies = frequencies
        self.class_embedding = nn.Embedding(classes, width)
        self.colour_embedding = nn.Embedding(colours + 1, width)
        self.null_token = nn.Parameter(torch.zeros(width))
        self.linear_1 = nn.Linear(width + 8 * frequencies, inner)
        self.linear_2 = nn.Linear(inner, width)
        self.plane_embedding = nn.Embedding(classes, planes)
        for table in (self.class_embedding, self.colour_embedding, self.plane_embedding):
            nn.init.normal_(table.weight, std=0.3)

    def forward(self, kinds, colours, rects, side):
        """kinds [B, N] (-1: none), colours [B, N] (0: none), rects [B, N, 4] corners in shares of the picture."""
        there = (kinds >= 0)[..., None]
        kinds = kinds.clamp(min=0)
        scale = 100.0 ** (torch.arange(self.frequencies, device=rects.device) / self.frequencies)
        angles = rects[:, :, None, :] * scale[None, None, :, None]
        fourier = torch.stack([angles.sin(), angles.cos()], 3).flatten(2)
        x = torch.cat([self.class_embedding(kinds) + self.colour_embedding(colours), fourier], -1)
        tokens = torch.where(there, self.linear_2(F.silu(self.linear_1(x))), self.null_token)
        edges = torch.arange(side, device=rects.device) / side
        overlap = lambda low, high: (
            torch.minimum(high[..., None], edges + 1 / side) - torch.maximum(low[..., None], edges)
        ).clamp(min=0) * side
        across = overlap(rects[..., 0], rects[..., 2]) * there
        down = overlap(rects[..., 1], rects[..., 3])
        planes = torch.einsum("bnx,bny,bnc->bcyx", across, down, self.plane_embedding(kinds))
        return tokens, planes


class SemanticEncoder(nn.Module):
    def __init__(self, classes, width=12, cells=2):
        super().__init__()
        self.cells = cells
        self.class_embedding = nn.Embedding(classes, width)
        nn.init.normal_(self.class_embedding.weight, std=0.3)

    def shares(self, labels, side):
        """Share of each class in each cell: labels [B, H, W] (255: nothing) to [B, cells, cells, classes]."""
        cell = labels.shape[1] // (side * self.cells)
        index = labels.unfold(1, cell, cell).unfold(2, cell, cell).flatten(3)
        known = (index != 255).to(torch.bfloat16) / (cell * cell)
        index = torch.where(index == 255, 0, index).long()
        out = torch.zeros((*index.shape[:3], self.class_embedding.num_embeddings), dtype=torch.bfloat16, device=labels.device)
        return out.scatter_add_(3, index, known)

    def forward(self, shares):
        """The same as the mean of the pixels' embeddings, as a matrix product."""
        planes = shares.to(self.class_embedding.weight.dtype) @ self.class_embedding.weight
        return F.pixel_unshuffle(planes.permute(0, 3, 1, 2), self.cells)


class JudgeLayer(nn.Module):
    def __init__(self, inward, outward, kernel=3, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inward, outward, kernel, stride=stride, padding=kernel // 2)
        self.norm = nn.GroupNorm(8, outward, 1e-5)

    def forward(self, x):
        return F.silu(self.norm(self.conv(x)))


class Judge(nn.Module):
    """A segmenter: 128 pixels to cells of 4, through a sixteenth of the side."""

    def __init__(self, labels, styles, times, places, backgrounds, widths=(32, 64, 96, 128)):
        super().__init__()
        a, b, c, d = widths
        self.counts = (labels, styles, times, places, backgrounds)
        self.stem = JudgeLayer(3, a, 3, 2)
        self.fine = JudgeLayer(a, a)
        self.down_1 = JudgeLayer(a, b, 3, 2)
        self.middle = JudgeLayer(b, b)
        self.down_2 = JudgeLayer(b, c, 3, 2)
        self.coarse_1 = JudgeLayer(c, c)
        self.coarse_2 = JudgeLayer(c, c)
        self.down_3 = JudgeLayer(c, d, 3, 2)
        self.deep_1 = JudgeLayer(d, d)
        self.deep_2 = JudgeLayer(d, d)
        self.back_2 = JudgeLayer(d, c, 1)
        self.joined_2 = JudgeLayer(c, c)
        self.back = JudgeLayer(c, b, 1)
        self.joined = JudgeLayer(b, b)
        self.cells = nn.Conv2d(b, labels + styles, 1)
        self.setting = nn.Linear(b + d, times + places + backgrounds)

    def cells_seen(self, x):
        """What it sees in each cell, before it says what that is."""
        return self.seen(x)[0]

    def seen(self, x):
        up = lambda t: F.interpolate(t, scale_factor=2.0, mode="nearest")
        x = self.fine(self.stem(x))
        x = self.down_1(x)
        quarter = x + self.middle(x)
        x = self.down_2(quarter)
        x = x + self.coarse_1(x)
        eighth = x + self.coarse_2(x)
        x = self.down_3(eighth)
        x = x + self.deep_1(x)
        deep = x + self.deep_2(x)
        joined_2 = self.joined_2(eighth + up(self.back_2(deep)))
        return self.joined(quarter + up(self.back(joined_2))), deep

    def forward(self, x):
        joined, deep = self.seen(x)
        labels, styles, times, places, backgrounds = self.counts
        cells = self.cells(joined)
        setting = self.setting(torch.cat([joined.mean((2, 3)), deep.mean((2, 3))], 1))
        return (cells[:, :labels], cells[:, labels:], *setting.split([times, places, backgrounds], 1))


class Middles(nn.Module):
    """How near each cell is to the middle of an object, from what the judge sees in cells; logits."""

    def __init__(self, inward=64, width=48):
        super().__init__()
        self.first = JudgeLayer(inward, width)
        self.second = JudgeLayer(width, width)
        self.said = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.said.bias, -3.0)

    def forward(self, seen):
        x = self.first(seen)
        return self.said(x + self.second(x))


class Discriminator(nn.Module):
    """A PatchGAN."""

    def __init__(self, width=48):
        super().__init__()
        layers, last = [], 3
        for k, (out, stride) in enumerate([(width, 2), (width * 2, 2), (width * 4, 1)]):
            layers += [nn.Conv2d(last, out, 4, stride, 1), nn.GroupNorm(8, out) if k else nn.Identity(), nn.LeakyReLU(0.2)]
            last = out
        self.net = nn.Sequential(*layers, nn.Conv2d(last, 1, 4, 1, 1))

    def forward(self, x):
        return self.net(x)
